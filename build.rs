//! Tells the linker where the pinned solvers lie, so that the binary runs from the build folder
//! (`.native/`) and from a package (`bin/evl` beside `lib/`).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_SOLVER").is_none() {
        return;
    }
    let root = env!("CARGO_MANIFEST_DIR");
    for lib in [".native/z3/lib", ".native/highs_dist/lib"] {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{root}/{lib}");
    }
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib");
}
