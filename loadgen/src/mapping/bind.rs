//! A mapping tied to the columns of a file.

use csv::StringRecord;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::convert::Conversion;
use super::{Constant, FieldSpec, Mapping, MappingError};
use crate::decimal::{number, parse};

/// Columns found, fields ready to be filled.
pub(crate) struct Bound {
    fields: Vec<Field>,
    items: Option<Vec<Field>>,
    group: Option<usize>,
}

struct Field {
    name: String,
    source: FieldSource,
}

enum FieldSource {
    Column(usize, Conversion),
    Constant(Value),
    Sum(Vec<usize>),
}

/// Running sums of a receipt, one for each field that is a sum; `None` once a cell was no number or the sum no longer fits.
pub(super) type Sums = Vec<Option<Decimal>>;

impl Bound {
    /// Finds the mapping's columns in a header.
    pub fn new(mapping: &Mapping, header: &StringRecord) -> Result<Self, MappingError> {
        let bind_all = |specs: &indexmap::IndexMap<String, FieldSpec>| -> Result<Vec<Field>, MappingError> {
            specs.iter().map(|(name, spec)| Field::new(name, spec, header)).collect()
        };
        let group = mapping.group.as_ref().map(|group| column(header, &group.by, "group")).transpose()?;
        let items = (!mapping.items.is_empty()).then(|| bind_all(&mapping.items)).transpose()?;
        Ok(Bound { fields: bind_all(&mapping.fields)?, items, group })
    }

    /// Value that a row shares with the other rows of its receipt; `None` when each row stands alone.
    pub fn group<'r>(&self, row: &'r StringRecord) -> Option<&'r str> {
        self.group.map(|index| row[index].trim())
    }

    /// Fields of an item, from its first row. A sum has its place kept with a null.
    pub(super) fn document(&self, row: &StringRecord) -> Map<String, Value> {
        fill(&self.fields, row)
    }

    /// The line a row adds to its receipt; `None` when the mapping has no lines.
    pub(super) fn line(&self, row: &StringRecord) -> Option<Value> {
        self.items.as_ref().map(|fields| Value::Object(fill(fields, row)))
    }

    /// Sums before the first row.
    pub(super) fn no_sums(&self) -> Sums {
        self.sums().map(|_| Some(Decimal::ZERO)).collect()
    }

    /// Adds a row to the sums.
    pub(super) fn add(&self, sums: &mut Sums, row: &StringRecord) {
        for (sum, (_, columns)) in sums.iter_mut().zip(self.sums()) {
            let product = columns
                .iter()
                .try_fold(Decimal::ONE, |product, column| exact_product(product, parse(row[*column].trim())?));
            *sum = sum.zip(product).and_then(|(sum, product)| exact_sum(sum, product));
        }
    }

    /// Puts the sums into their fields. A sum that could not be made leaves its field out.
    pub(super) fn put(&self, sums: Sums, document: &mut Map<String, Value>) {
        for (sum, (name, _)) in sums.into_iter().zip(self.sums()) {
            match sum.and_then(number) {
                Some(value) => document.insert(name.to_owned(), value),
                None => document.shift_remove(name),
            };
        }
    }

    fn sums(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.fields.iter().filter_map(|field| match &field.source {
            FieldSource::Sum(columns) => Some((field.name.as_str(), columns.as_slice())),
            _ => None,
        })
    }
}

impl Field {
    fn new(name: &str, spec: &FieldSpec, header: &StringRecord) -> Result<Self, MappingError> {
        let conversion =
            Conversion::new(spec).map_err(|message| MappingError::Field { field: name.to_owned(), message })?;
        let source = if let Some(wanted) = &spec.column {
            FieldSource::Column(column(header, wanted, name)?, conversion)
        } else if let Some(columns) = &spec.sum {
            FieldSource::Sum(columns.iter().map(|wanted| column(header, wanted, name)).collect::<Result<_, _>>()?)
        } else {
            FieldSource::Constant(match &spec.constant {
                Some(Constant::Boolean(value)) => Value::Bool(*value),
                Some(Constant::Integer(value)) => Value::from(*value),
                Some(Constant::Text(text)) => conversion.write(text.clone()),
                None => Value::Null,
            })
        };
        Ok(Field { name: name.to_owned(), source })
    }

    fn value(&self, row: &StringRecord) -> Option<Value> {
        match &self.source {
            FieldSource::Column(index, conversion) => conversion.cell(&row[*index]),
            FieldSource::Constant(value) => Some(value.clone()),
            FieldSource::Sum(_) => Some(Value::Null),
        }
    }
}

fn fill(fields: &[Field], row: &StringRecord) -> Map<String, Value> {
    fields.iter().filter_map(|field| Some((field.name.clone(), field.value(row)?))).collect()
}

/// The crate rounds what has too many digits, which shows in the scale; a rounded product is none.
fn exact_product(a: Decimal, b: Decimal) -> Option<Decimal> {
    let product = a.checked_mul(b)?;
    (a.is_zero() || b.is_zero() || product.scale() == a.scale() + b.scale()).then_some(product)
}

fn exact_sum(a: Decimal, b: Decimal) -> Option<Decimal> {
    let sum = a.checked_add(b)?;
    (a.is_zero() || b.is_zero() || sum.scale() == a.scale().max(b.scale())).then_some(sum)
}

fn column(header: &StringRecord, wanted: &str, field: &str) -> Result<usize, MappingError> {
    header.iter().position(|name| name.trim() == wanted).ok_or_else(|| MappingError::Column {
        column: wanted.to_owned(),
        field: field.to_owned(),
        header: header.iter().collect::<Vec<_>>().join(", "),
    })
}
