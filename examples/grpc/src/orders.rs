//! The service itself: it knows who calls, and nothing of tokens.

use std::pin::Pin;

use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};
use tower_bearer::Claims;

use crate::shop::orders_server::Orders as Service;
use crate::{Order, OrderRequest};

/// How many changes a slow watcher may be behind.
const BACKLOG: usize = 64;

/// Where changes of orders are told.
pub type Feed = broadcast::Sender<Order>;

#[derive(Debug, Clone)]
pub struct Orders {
    feed: Feed,
}

impl Orders {
    pub fn new() -> Self {
        Orders { feed: broadcast::Sender::new(BACKLOG) }
    }

    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }
}

impl Default for Orders {
    fn default() -> Self {
        Orders::new()
    }
}

/// The layer has put the claims into the request.
fn caller<T>(request: &Request<T>) -> &str {
    request.extensions().get::<Claims>().and_then(Claims::subject).unwrap_or("a client")
}

#[tonic::async_trait]
impl Service for Orders {
    async fn get(&self, request: Request<OrderRequest>) -> Result<Response<Order>, Status> {
        let state = format!("open, read by {}", caller(&request));
        Ok(Response::new(Order { id: request.into_inner().id, state }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<Order, Status>> + Send>>;

    async fn watch(&self, request: Request<OrderRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let id = request.into_inner().id;
        let changes = BroadcastStream::new(self.feed.subscribe());
        let mine = changes.filter_map(move |change| match change {
            Ok(order) => (order.id == id).then_some(Ok(order)),
            Err(missed) => Some(Err(Status::data_loss(missed.to_string()))),
        });
        Ok(Response::new(Box::pin(mine)))
    }

    async fn cancel(&self, request: Request<OrderRequest>) -> Result<Response<Order>, Status> {
        let state = format!("cancelled by {}", caller(&request));
        let order = Order { id: request.into_inner().id, state };
        // Perhaps nobody watches.
        let _ = self.feed.send(order.clone());
        Ok(Response::new(order))
    }
}
