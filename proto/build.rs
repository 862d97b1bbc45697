//! Compiles the `.proto` files with protox, so that no `protoc` is needed on PATH.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "etcd/rpc.proto",
        "etcd/v3lock.proto",
        "etcd/v3election.proto",
        "etcd/health.proto",
        "internal/internal.proto",
        "internal/peer.proto",
        "internal/admin.proto",
    ];
    for dir in ["etcd", "internal"] {
        println!("cargo:rerun-if-changed={dir}");
    }
    let descriptors = protox::compile(files, ["etcd", "internal"])?;
    tonic_prost_build::configure().build_transport(false).bytes(".").compile_fds(descriptors)?;
    let mut clients = protox::Compiler::new(["etcd"])?;
    clients.include_imports(true).open_files(["rpc.proto", "v3lock.proto", "v3election.proto"])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("clients.bin"), clients.encode_file_descriptor_set())?;
    Ok(())
}
