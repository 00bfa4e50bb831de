//! Puts the official SignalR scripts into the binary, as far as `npm ci` has installed them in `web-demo`.
//!
//! A script that is not installed becomes an empty file: the server then sends pages to the CDN instead.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Package folder below `web-demo/node_modules`, and the file made in `OUT_DIR`.
const SCRIPTS: [(&str, &str); 2] = [("@microsoft/signalr", "signalr.js"), ("signalr-6", "signalr-6.0.1.js")];

fn main() -> io::Result<()> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let web_demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web-demo");
    for (package, embedded) in SCRIPTS {
        let script = web_demo.join("node_modules").join(package).join("dist/browser/signalr.min.js");
        watch(&script);
        let text = if script.exists() { without_source_map(&fs::read_to_string(&script)?) } else { String::new() };
        fs::write(out_dir.join(embedded), text)?;
    }
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}

/// Cargo takes a watched path that does not exist for a change in every build, so a missing script is awaited in the
/// nearest folder there is.
fn watch(script: &Path) {
    if let Some(existing) = script.ancestors().find(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", existing.display());
    }
}

/// The map is not served; without its address developer tools do not ask for it.
fn without_source_map(script: &str) -> String {
    script.lines().filter(|line| !line.starts_with("//# sourceMappingURL=")).map(|line| format!("{line}\n")).collect()
}
