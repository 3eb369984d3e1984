//! Compiles the shim, and tells the linker where the worker finds libtorch when it starts: in the folder that it was built with, else in
//! `.libtorch` of the repository that it stands in. The entry is a RUNPATH, so that `LD_LIBRARY_PATH` wins over it:
//! a worker that was moved to a machine with a GPU takes that machine's libtorch.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");

    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
    if let Some(libtorch) = env::var_os("LIBTORCH") {
        let lib = Path::new(&libtorch).join("lib");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
        compile_shim(&PathBuf::from(&libtorch).join("include"));
    } else {
        // torch-sys, which needs it too, stops the build; these words say what to do here.
        println!(
            "cargo:warning=LIBTORCH is not set: use `make build`, or run scripts/libtorch.sh and set it to .libtorch"
        );
    }
    // From target/PROFILE/ (the program) and target/PROFILE/deps/ (its tests) up to the repository's root.
    for up in ["../..", "../../.."] {
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/{up}/.libtorch/lib");
    }
}

/// With the flags that torch-sys compiles its own with.
fn compile_shim(include: &Path) {
    const SHIM: &str = "shim/shim.cpp";
    println!("cargo:rerun-if-changed={SHIM}");
    cc::Build::new()
        .cpp(true)
        .file(SHIM)
        .include(include)
        .include(include.join("torch/csrc/api/include"))
        .flag("-std=c++17")
        .flag("-w")
        .warnings(false)
        .compile("trommel_shim");
}
