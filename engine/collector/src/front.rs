//! Collector and other paths on one port, told apart before any routing.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::response::Response;
use tower::Service;

use crate::Collector;

/// The collector before other routes, made by [`front`]. A service like a [`Router`], but a request of the collector
/// meets neither the matching of paths nor the layers of one. Cloning counts a reference.
#[derive(Clone)]
pub struct Front(Arc<Inner>);

struct Inner {
    collector: Collector,
    others: Router,
}

/// The collector before `others`, on one port: it takes the paths that it owns and passes on the rest, untouched.
#[must_use]
pub fn front(collector: Collector, others: Router) -> Front {
    Front(Arc::new(Inner { collector, others: others.with_state(()) }))
}

impl Front {
    /// What `axum::serve` takes; with `C = SocketAddr` the collector sees its peers' addresses.
    #[must_use]
    pub fn into_make_service_with_connect_info<C>(self) -> IntoMakeServiceWithConnectInfo<Self, C> {
        axum::ServiceExt::<Request>::into_make_service_with_connect_info(self)
    }
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.0.collector.place(request.uri().path()) {
            Some(place) => {
                let front = self.clone();
                Box::pin(async move { Ok(front.0.collector.answer(place, request).await) })
            }
            None => Box::pin(self.0.others.clone().call(request)),
        }
    }
}
