//! Swagger UI, whose files are part of the program: no browser asks another host for them.

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;
use utoipa_swagger_ui::Config;

/// A file of Swagger UI; its first page for an empty path.
pub(crate) fn page(path: &str) -> Response {
    let config = Arc::new(Config::from("/api/openapi.json"));
    match utoipa_swagger_ui::serve(path, config) {
        Ok(Some(file)) => {
            let mut response = Body::from(file.bytes.to_vec()).into_response();
            if let Ok(value) = HeaderValue::from_str(&file.content_type) {
                response.headers_mut().insert(header::CONTENT_TYPE, value);
            }
            response
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(error = %error, "Swagger UI cannot be served");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
