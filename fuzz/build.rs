//! The targets find the pinned solvers where evl's own build finds them.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for lib in [".native/z3/lib", ".native/highs_dist/lib"] {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{root}/{lib}");
    }
}
