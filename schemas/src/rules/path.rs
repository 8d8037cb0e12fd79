//! Where in a record something is, in the two notations of the contract.

use std::fmt::Write as _;

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Into a field.
    Field(String),
    /// To an entry of a list, from 0.
    Index(usize),
}

/// A place in a record; empty is the record itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

impl From<&str> for Segment {
    fn from(name: &str) -> Self {
        Self::Field(name.to_owned())
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl Path {
    /// The record itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// A field of the record.
    pub fn field(name: &str) -> Self {
        Self::root().then(name)
    }

    /// One step further down.
    #[must_use]
    pub fn then(mut self, segment: impl Into<Segment>) -> Self {
        self.0.push(segment.into());
        self
    }

    /// The steps from the record down.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// As an RFC 6901 JSON pointer: `/items/0/price`; empty for the record itself.
    pub fn pointer(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, segment| {
            let _ = match segment {
                Segment::Field(name) => write!(text, "/{}", name.replace('~', "~0").replace('/', "~1")),
                Segment::Index(index) => write!(text, "/{index}"),
            };
            text
        })
    }

    /// As an XPath below an element: `/receipt/items/item[1]/price` for the root `/receipt`. An entry of a list is its `item`
    /// child, counted from 1.
    pub fn xpath(&self, root: &str) -> String {
        self.0.iter().fold(root.to_owned(), |mut text, segment| {
            let _ = match segment {
                Segment::Field(name) => write!(text, "/{name}"),
                Segment::Index(index) => write!(text, "/item[{}]", index + 1),
            };
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_two_notations() {
        let path = Path::field("items").then(0).then("a/b~c");
        assert_eq!(path.pointer(), "/items/0/a~1b~0c");
        assert_eq!(path.xpath("/receipts/receipt[3]"), "/receipts/receipt[3]/items/item[1]/a/b~c");
        assert_eq!(Path::root().pointer(), "");
    }
}
