//! Every answer that is none: its code, and a line that says why.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// After how many seconds whoever found the server full may come back.
const COME_BACK: HeaderValue = HeaderValue::from_static("1");

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request makes no sense.
    Wrong(String),
    /// Its body did not come in time.
    SlowBody,
    /// Its body is longer than so many bytes.
    TooLong(u32),
    /// Its body is no image of a kind that is read here.
    NoImage,
    /// Its image is damaged, or too large.
    Image(String),
    NoSuchPage,
    /// Its work panicked. The panic hook has said more, and not to strangers.
    Panicked,
    /// There are as many requests as the server takes.
    Full,
    /// The server ends.
    Ending,
    /// Its work did not end in time.
    Deadline,
    /// Nobody waits for the answer any more: so nobody sees this one.
    Unwanted,
}

impl Refusal {
    fn code(&self) -> StatusCode {
        match self {
            Self::Wrong(_) => StatusCode::BAD_REQUEST,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoImage => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Image(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Full | Self::Ending => StatusCode::SERVICE_UNAVAILABLE,
            Self::Deadline | Self::Unwanted => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Wrong(what) => what.as_str().into(),
            Self::SlowBody => "the body did not come in time".into(),
            Self::TooLong(most) => format!("the body is longer than {most} bytes").into(),
            Self::NoImage => "the body is neither PNG nor JPEG".into(),
            Self::Image(what) => what.as_str().into(),
            Self::NoSuchPage => "there is POST /thumbnail?w=WIDTH, POST /hash, GET /, /healthz, /metrics and /status.json".into(),
            Self::Panicked => "the work on this request panicked".into(),
            Self::Full => "too many requests at once; try again".into(),
            Self::Ending => "the server ends".into(),
            Self::Deadline | Self::Unwanted => "the work did not end in time".into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.code(), format!("{}\n", self.text())).into_response();
        if self == Self::Full {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, COME_BACK);
        }
        response
    }
}
