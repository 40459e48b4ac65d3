//! Style sheet, script and icon: compiled in, with a hash of their content in the name.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::entrypoints::http::Problem;

/// A file that pages link to.
#[derive(Debug)]
pub struct Asset {
    /// Contains a hash of the content, so that it can be cached forever.
    name: String,
    etag: String,
    content_type: &'static str,
    content: &'static str,
}

const CSS: &str = concat!(
    include_str!("assets/console.css"),
    include_str!("assets/overview.css"),
    include_str!("assets/dead_letters.css")
);

pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "css", "text/css; charset=utf-8", CSS));

pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_str!("assets/console.js");
    Asset::new("console", "js", "text/javascript; charset=utf-8", content)
});

pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")));

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, content: &'static str) -> Self {
        // 48 bits: enough for a few files.
        let hash = BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(content)[..6]);
        let etag = format!("\"{hash}\"");
        Self { name: format!("{name}-{hash}.{extension}"), etag, content_type, content }
    }

    pub fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

pub async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = [&*STYLE, &*SCRIPT, &*ICON].into_iter().find(|asset| asset.name == name)
    else {
        return Problem::not_found("no such file").into_response();
    };
    let headers_sent =
        [(ETAG, asset.etag.as_str()), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    let is_cached = headers.get_all(IF_NONE_MATCH).iter().any(|etag| etag == asset.etag.as_str());
    if is_cached {
        return (StatusCode::NOT_MODIFIED, headers_sent).into_response();
    }
    (headers_sent, [(CONTENT_TYPE, asset.content_type)], asset.content).into_response()
}
