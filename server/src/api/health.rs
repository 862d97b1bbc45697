//! `grpc.health.v1.Health`: a server that answers serves.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use mini_etcd_proto::healthpb::health_check_response::ServingStatus;
use mini_etcd_proto::healthpb::health_server::Health;
use mini_etcd_proto::healthpb::{HealthCheckRequest, HealthCheckResponse};
use tonic::{Request, Response, Status};

/// Whether the server answers. Only the whole server, named "", has a state.
#[derive(Clone, Copy, Debug, Default)]
pub struct HealthService;

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthService {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !request.into_inner().service.is_empty() {
            return Err(Status::not_found("unknown service"));
        }
        Ok(Response::new(answer(ServingStatus::Serving)))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let status = if request.into_inner().service.is_empty() {
            ServingStatus::Serving
        } else {
            ServingStatus::ServiceUnknown
        };
        let first = stream::once(async move { Ok(answer(status)) });
        Ok(Response::new(first.chain(stream::pending()).boxed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_server_itself_is_known() {
        let named =
            |service: &str| Request::new(HealthCheckRequest { service: service.to_owned() });
        let good = HealthService.check(named("")).await.unwrap().into_inner();
        assert_eq!(good.status(), ServingStatus::Serving);
        let unknown = HealthService.check(named("etcdserverpb.KV")).await.unwrap_err();
        assert_eq!((unknown.code(), unknown.message()), (tonic::Code::NotFound, "unknown service"));
        let mut watched = HealthService.watch(named("x")).await.unwrap().into_inner();
        let first = watched.next().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    }
}
