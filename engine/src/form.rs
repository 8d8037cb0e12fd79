//! Multipart forms, in which clients send a query with its parameters: their values may be too long for a URL.

use futures::TryStreamExt;
use http::{HeaderMap, header};
use http_body_util::BodyStream;
use hyper::body::Incoming;
use multer::{Constraints, Multipart, SizeLimit};

use crate::body::BodyLimits;
use crate::exception::{Exception, code};
use crate::request::{QueryRequest, text_header};

/// The form's boundary, when the request is one.
pub(crate) fn boundary(headers: &HeaderMap) -> Option<String> {
    multer::parse_boundary(text_header(headers, header::CONTENT_TYPE.as_str())?).ok()
}

/// Reads the query and its parameters from a form into the request.
///
/// # Errors
/// The form is damaged, larger than a statement may be or slower than a body may be, or holds an external table.
pub(crate) async fn read(
    boundary: String,
    body: Incoming,
    request: &mut QueryRequest,
    limits: BodyLimits,
) -> Result<(), Exception> {
    let data = BodyStream::new(body).try_filter_map(|frame| async { Ok(frame.into_data().ok()) });
    let sizes = SizeLimit::new().whole_stream(limits.bytes);
    let mut form = Multipart::with_constraints(data, boundary, Constraints::new().size_limit(sizes));
    let damaged =
        |error: multer::Error| Exception::new(code::BAD_ARGUMENTS, format_args!("the form cannot be read: {error}"));
    let all = async {
        while let Some(field) = form.next_field().await.map_err(damaged)? {
            let name = field.name().unwrap_or_default().to_owned();
            if field.file_name().is_some() {
                return Err(Exception::new(code::NOT_IMPLEMENTED, "external tables in a form are not supported"));
            }
            let value = field.text().await.map_err(damaged)?;
            match name.strip_prefix("param_") {
                Some(parameter) => request.parameters.push((parameter.to_owned(), value)),
                None if name == "query" => request.query.extend_from_slice(value.as_bytes()),
                None => {
                    return Err(Exception::new(
                        code::NOT_IMPLEMENTED,
                        "a form may hold `query` and `param_` fields only",
                    ));
                }
            }
        }
        Ok(())
    };
    let slow = || Exception::new(code::SOCKET_TIMEOUT, "the form did not come in time");
    tokio::time::timeout(limits.pause, all).await.unwrap_or_else(|_| Err(slow()))
}
