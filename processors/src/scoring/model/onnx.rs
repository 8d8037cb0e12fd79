//! The part of an ONNX file that is read here: its nodes and their attributes, and whether it is complete. Field numbers are those of
//! `onnx.proto`; what is not listed is passed over.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Model {
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    pub initializers: Vec<Tensor>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub outputs: Vec<String>,
    #[prost(string, tag = "4")]
    pub op: String,
    #[prost(message, repeated, tag = "5")]
    pub attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bytes = "vec", tag = "4")]
    pub text: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub tensor: Option<Tensor>,
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub texts: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    /// 1: the content is in a file elsewhere.
    #[prost(int32, tag = "14")]
    pub location: i32,
}

impl Model {
    /// The graph of an ONNX file.
    ///
    /// # Errors
    /// A sentence that says what the file should be.
    pub fn graph(bytes: &[u8]) -> Result<Graph, String> {
        let model = Model::decode(bytes).map_err(|error| format!("it is no ONNX file: {error}"))?;
        let graph = model.graph.ok_or("it is no ONNX file: it has no graph")?;
        let tensors =
            graph.nodes.iter().flat_map(|node| &node.attributes).filter_map(|attribute| attribute.tensor.as_ref());
        if graph.initializers.iter().chain(tensors).any(|tensor| tensor.location != 0) {
            return Err("parts of it are in other files; export it as one".to_owned());
        }
        Ok(graph)
    }
}

impl Node {
    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The numbers of an attribute; none when it has not got it.
    pub fn floats(&self, name: &str) -> &[f32] {
        self.attribute(name).map_or(&[], |attribute| &attribute.floats)
    }

    /// The whole numbers of an attribute; none when it has not got it.
    pub fn ints(&self, name: &str) -> &[i64] {
        self.attribute(name).map_or(&[], |attribute| &attribute.ints)
    }

    /// The text of an attribute; empty when it has not got it.
    pub fn text(&self, name: &str) -> &[u8] {
        self.attribute(name).map_or(&[], |attribute| &attribute.text)
    }

    /// The texts of an attribute; none when it has not got it.
    pub fn texts(&self, name: &str) -> &[Vec<u8>] {
        self.attribute(name).map_or(&[], |attribute| &attribute.texts)
    }
}
