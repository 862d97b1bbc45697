//! Generated messages and stubs: the etcd v3 API under its own package names, and the packages that only
//! mini-etcd speaks. Nothing is written by hand here; the words are in `etcd/*.proto` and `internal/*.proto`.

#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated code follows the generator's style"
)]

/// The encoded descriptors of the client API, its locks and elections, for those who read messages by their names.
pub const CLIENT_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/clients.bin"));

/// Keys, versions and events.
pub mod mvccpb {
    tonic::include_proto!("mvccpb");
}

/// Users, roles and permissions.
pub mod authpb {
    tonic::include_proto!("authpb");
}

/// The client API.
pub mod etcdserverpb {
    tonic::include_proto!("etcdserverpb");
}

/// Locks kept by the server.
pub mod v3lockpb {
    tonic::include_proto!("v3lockpb");
}

/// Elections kept by the server.
pub mod v3electionpb {
    tonic::include_proto!("v3electionpb");
}

/// The health protocol of gRPC.
pub mod healthpb {
    tonic::include_proto!("grpc.health.v1");
}

/// The packages that only mini-etcd speaks, nested as the generator wants them; use the short names below.
pub mod minietcd {
    /// See [`crate::internalpb`].
    pub mod internal {
        /// See [`crate::internalpb`].
        pub mod v1 {
            tonic::include_proto!("minietcd.internal.v1");
        }
    }
    /// See [`crate::peerpb`].
    pub mod peer {
        /// See [`crate::peerpb`].
        pub mod v1 {
            tonic::include_proto!("minietcd.peer.v1");
        }
    }
    /// See [`crate::adminpb`].
    pub mod admin {
        /// See [`crate::adminpb`].
        pub mod v1 {
            tonic::include_proto!("minietcd.admin.v1");
        }
    }
}

/// What the console asks beyond the etcd API.
pub use minietcd::admin::v1 as adminpb;
/// What stands on disk and in the Raft log.
pub use minietcd::internal::v1 as internalpb;
/// What members say to each other.
pub use minietcd::peer::v1 as peerpb;
