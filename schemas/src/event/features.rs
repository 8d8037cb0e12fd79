//! Feature values by name.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt, ops::Index};

/// A feature's name and value.
type Named = (Cow<'static, str>, f64);

/// Feature values by name: a map in Avro and JSON, here a list in the order of names. One comes with every score, and a list costs least
/// to make and to write.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeatureValues(Vec<Named>);

impl FeatureValues {
    /// Values that stand in the order of their names already, each name once.
    pub fn sorted(values: Vec<Named>) -> Self {
        debug_assert!(values.is_sorted_by(|a, b| a.0 < b.0), "{values:?}");
        Self(values)
    }

    /// A feature's value.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.find(name).copied()
    }

    fn find(&self, name: &str) -> Option<&f64> {
        let at = self.0.binary_search_by(|(own, _)| own.as_ref().cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

/// Of a name that comes more than once, the last value holds.
impl FromIterator<Named> for FeatureValues {
    fn from_iter<I: IntoIterator<Item = Named>>(values: I) -> Self {
        let mut values: Vec<Named> = values.into_iter().collect();
        if !values.is_sorted_by(|a, b| a.0 < b.0) {
            values.sort_by(|a, b| a.0.cmp(&b.0));
            values.dedup_by(|later, kept| {
                let again = later.0 == kept.0;
                if again {
                    kept.1 = later.1;
                }
                again
            });
        }
        Self(values)
    }
}

impl IntoIterator for FeatureValues {
    type Item = Named;
    type IntoIter = std::vec::IntoIter<Named>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Index<&str> for FeatureValues {
    type Output = f64;

    fn index(&self, name: &str) -> &f64 {
        self.find(name).unwrap_or_else(|| panic!("no feature {name:?} among {self:?}"))
    }
}

impl Serialize for FeatureValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for FeatureValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = FeatureValues;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of numbers")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<FeatureValues, A::Error> {
                std::iter::from_fn(|| map.next_entry().transpose()).collect()
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name_whatever_order_they_came_in() {
        let values: FeatureValues = serde_json::from_str(r#"{"b": 2, "a": 1, "c": 3, "b": 4}"#).expect("a map");
        assert_eq!(values.iter().collect::<Vec<_>>(), [("a", 1.0), ("b", 4.0), ("c", 3.0)]);
        assert_eq!((values.get("b"), values.get("bb"), values["c"]), (Some(4.0), None, 3.0));
        assert_eq!(serde_json::to_string(&values).expect("JSON"), r#"{"a":1.0,"b":4.0,"c":3.0}"#);
        assert_eq!(serde_json::to_string(&FeatureValues::default()).expect("JSON"), "{}");
    }
}
