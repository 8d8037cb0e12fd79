//! Where an item stands in its body, and from there where a field is.

use millrace_schemas::rules::Path;
use std::fmt::Write as _;

/// Where an item stands in its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The whole body, which is JSON.
    Whole,
    /// An entry of an array or a line, from 0.
    Index(usize),
    /// An element, by its XPath.
    Element(String),
}

impl Place {
    /// A path within the item, as a path of the body: a JSON pointer or an XPath.
    pub fn locate(&self, path: &Path) -> String {
        match self {
            Self::Whole => path.pointer(),
            Self::Index(index) => {
                let mut text = format!("/{index}");
                let _ = write!(text, "{}", path.pointer());
                text
            }
            Self::Element(element) => path.xpath(element),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_in_every_format() {
        let path = Path::field("items").then(0).then("price");
        assert_eq!(Place::Whole.locate(&path), "/items/0/price");
        assert_eq!(Place::Index(3).locate(&path), "/3/items/0/price");
        assert_eq!(
            Place::Element("/receipts/receipt[4]".into()).locate(&path),
            "/receipts/receipt[4]/items/item[1]/price"
        );
        assert_eq!(Place::Index(3).locate(&Path::root()), "/3");
    }
}
