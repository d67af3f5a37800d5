//! Upgrades such as WebSocket (RFC 9110 section 7.8): judged as every request, then bytes flow both ways.

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, copy, split};
use tower_bearer::{Claims, Expired};

use crate::header_list::members;

/// An upgrade that a client asks for.
pub struct Upgrade {
    protocols: HeaderValue,
    client: OnUpgrade,
    /// Of its token, where the connection may not outlive it.
    end: Option<Expired>,
}

/// Stands in the extensions of a request whose connection may not outlive its token.
#[derive(Clone)]
pub struct EndsWithToken;

/// Takes the wish out of a request, if it is one that is passed on.
pub fn wanted<B>(request: &mut Request<B>) -> Option<Upgrade> {
    let asks = members(request.headers(), &CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"));
    if !asks || request.version() != Version::HTTP_11 {
        return None;
    }
    let mut values = request.headers().get_all(UPGRADE).iter();
    let (Some(protocols), None) = (values.next().cloned(), values.next()) else { return None };
    if members(request.headers(), &UPGRADE).any(carries_requests) {
        return None;
    }
    let extensions = request.extensions();
    let end = extensions.get::<EndsWithToken>().and_then(|_| extensions.get::<Claims>()).map(Claims::expired);
    Some(Upgrade { protocols, end, client: hyper::upgrade::on(request) })
}

/// Inside such a protocol a client could send further requests past every rule.
fn carries_requests(protocol: &str) -> bool {
    let name = protocol.split('/').next().unwrap_or_default();
    ["h2c", "h2", "http", "tls"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

impl Upgrade {
    pub fn ask_upstream(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.protocols.clone());
    }

    /// The upstream has agreed: the client is told so, and a task joins both.
    pub fn agree<B>(self, mut response: Response<B>, protocol: HeaderValue) -> Response<B> {
        let upstream = hyper::upgrade::on(&mut response);
        tokio::spawn(join(self.client, upstream, self.end));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(UPGRADE, protocol);
        response
    }
}

/// Until one side ends; the other is told then.
async fn join(client: OnUpgrade, upstream: OnUpgrade, end: Option<Expired>) {
    let (client, upstream) = match tokio::try_join!(client, upstream) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "an upgrade was not completed"),
    };
    let (mut from_client, mut to_client) = split(TokioIo::new(client));
    let (mut from_upstream, mut to_upstream) = split(TokioIo::new(upstream));
    let ended = async {
        match end {
            Some(end) => end.await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = ended => tracing::debug!("the token of an upgraded connection has ended, and the connection with it"),
        _ = copy(&mut from_client, &mut to_upstream) => {}
        _ = copy(&mut from_upstream, &mut to_client) => {}
    }
    let _ = tokio::join!(to_client.shutdown(), to_upstream.shutdown());
}
