//! Where tensors live: the choice between CPU and GPU, libtorch's CUDA half, its environment, the number of threads and the memory that is free.

use std::fs;
use std::io;
use std::num::NonZero;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::{Cuda, Device, Tensor};
use thiserror::Error;
use trommel_engine::worker::ENVIRONMENT;

use crate::shim;

const CUDA_LIBRARY: &str = "libtorch_cuda.so";

/// Why the device that was asked for cannot be had.
#[derive(Debug, Error)]
pub enum DeviceError {
    #[error("`{name}` is no device: auto, cpu or cuda:N")]
    Name { name: String },
    #[error("{name} was asked for, but there is no CUDA here: {reason}")]
    NoCuda { name: String, reason: String },
    #[error("{name} was asked for, but there are only {count} GPUs, counted from cuda:0")]
    Index { name: String, count: i64 },
    #[error(
        "precision tf32: this libtorch has no switch for it that is known here ({reason}); f32 and bf16 need none"
    )]
    Tf32 { reason: String },
    #[error("TROMMEL_THREADS is {value:?}, expected a number of at least 1")]
    Threads { value: String },
}

/// Starts the program again where the environment lacks a setting: libraries read theirs before `main` runs. Loading libtorch
/// twice costs a third of a second, which whoever starts the program spares by setting them. Returns where that is not needed,
/// or why it cannot be done.
pub fn restart_with_environment() -> io::Result<()> {
    let missing = |(name, _): &(&str, &str)| std::env::var_os(name).is_none();
    let mut missing = ENVIRONMENT.into_iter().filter(missing).peekable();
    if missing.peek().is_none() {
        return Ok(());
    }
    let mut again = Command::new(std::env::current_exe()?);
    Err(again.args(std::env::args_os().skip(1)).envs(missing).exec())
}

/// The device of that name: `cpu`, `cuda:N`, or `auto` for the first GPU where there is one.
pub fn choose(name: &str) -> Result<Device, DeviceError> {
    let wanted = match name {
        "cpu" => return Ok(Device::Cpu),
        "auto" => None,
        "cuda" => Some(0),
        _ => {
            let number = name
                .strip_prefix("cuda:")
                .and_then(|n| n.parse::<u16>().ok());
            Some(number.ok_or_else(|| DeviceError::Name { name: name.into() })?)
        }
    };
    match (wanted, cuda()) {
        (None, Ok(_)) => Ok(Device::Cuda(0)),
        (None, Err(_)) => Ok(Device::Cpu),
        (Some(_), Err(reason)) => Err(DeviceError::NoCuda {
            name: name.into(),
            reason: reason.clone(),
        }),
        (Some(index), Ok(count)) if i64::from(index) < *count => {
            Ok(Device::Cuda(usize::from(index)))
        }
        (Some(_), Ok(count)) => Err(DeviceError::Index {
            name: name.into(),
            count: *count,
        }),
    }
}

/// As the protocol writes it.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".into(),
    }
}

/// A copy of what lies in memory on a device. On the way to a GPU nothing waits, least of all for what the GPU has to do.
pub fn send(tensor: &Tensor, device: Device) -> Tensor {
    match device {
        Device::Cuda(_) => tensor
            .pin_memory(device)
            .to_device_(device, tensor.kind(), true, false),
        _ => tensor.to_device(device),
    }
}

/// `TROMMEL_THREADS`, else as many as there are cores.
pub fn threads() -> Result<NonZero<usize>, DeviceError> {
    match std::env::var("TROMMEL_THREADS") {
        Ok(value) => value.parse().map_err(|_| DeviceError::Threads {
            value: value.clone(),
        }),
        Err(_) => Ok(std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)),
    }
}

/// The number of GPUs (at least 1), else why there are none. libtorch remembers the first answer, and so does this.
fn cuda() -> &'static Result<i64, String> {
    static CUDA: OnceLock<Result<i64, String>> = OnceLock::new();
    CUDA.get_or_init(|| {
        open_cuda_library()?;
        match Cuda::device_count() {
            count if count > 0 && Cuda::is_available() => Ok(count),
            _ => Err("libtorch sees no GPU, or no driver for it".into()),
        }
    })
}

/// Opens the CUDA half of libtorch. The program does not link it, so that it starts where there is none; once open, it serves
/// all of libtorch.
fn open_cuda_library() -> Result<(), String> {
    let folders = library_folders();
    let found = folders.iter().map(|folder| folder.join(CUDA_LIBRARY));
    let Some(path) = found.into_iter().find(|path| path.exists()) else {
        let places: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
        return Err(format!(
            "no {CUDA_LIBRARY} in {}; TROMMEL_LIBTORCH can name the folder of a libtorch, or of a PyTorch, with CUDA",
            places.join(", ")
        ));
    };
    open(&path).map_err(|error| format!("{} does not load: {error}", path.display()))
}

#[expect(
    unsafe_code,
    reason = "opening a library runs its code; this one is libtorch's own"
)]
fn open(path: &Path) -> Result<(), libloading::Error> {
    // SAFETY: the library is the other half of the libtorch that the process runs already. It is never closed.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL)? };
    std::mem::forget(library);
    Ok(())
}

/// Where to look, the first match wins: the folder that the user names, the folder of the libtorch that runs, the one it was
/// built with.
fn library_folders() -> Vec<PathBuf> {
    let named = std::env::var_os("TROMMEL_LIBTORCH").map(PathBuf::from);
    let built = std::env::var_os("LIBTORCH").map(PathBuf::from);
    let mut folders: Vec<PathBuf> = named
        .into_iter()
        .flat_map(|folder| [folder.join("lib"), folder])
        .chain(running_folder())
        .chain(built.map(|folder| folder.join("lib")))
        .collect();
    folders.dedup();
    folders
}

fn running_folder() -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|l| l.ends_with("/libtorch_cpu.so"))?;
    let path = &line[line.find('/')?..];
    Path::new(path).parent().map(Path::to_path_buf)
}

/// Bytes that are free on a device, of a CPU those that the process may still have.
pub fn free_memory(device: Device) -> u64 {
    match shim::memory(device) {
        Some(memory) => memory.free + memory.reserved.saturating_sub(memory.allocated),
        None => available_memory(),
    }
}

fn available_memory() -> u64 {
    let number = |text: String| text.trim().parse::<u64>().ok();
    let read = |path: &str| fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
        let kib = line.trim().strip_suffix("kB")?.trim();
        Some(1024 * kib.parse::<u64>().ok()?)
    });
    let limit = read("/sys/fs/cgroup/memory.max").and_then(number);
    let used = read("/sys/fs/cgroup/memory.current").and_then(number);
    let group = limit
        .zip(used)
        .map(|(limit, used)| limit.saturating_sub(used));
    let known = machine.into_iter().chain(group);
    known.min().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        assert_eq!(choose("cpu").unwrap(), Device::Cpu);
        assert_eq!(name(Device::Cpu), "cpu");
        assert_eq!(name(Device::Cuda(3)), "cuda:3");
        for wrong in ["gpu", "cuda:", "cuda:x", "CPU"] {
            let error = choose(wrong).unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{wrong}` is no device")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_gpu_that_is_not_there_is_refused_with_the_reason() {
        let error = choose("cuda:999").unwrap_err().to_string();
        assert!(
            error.starts_with("cuda:999 was asked for, but there "),
            "{error}"
        );
        let auto = choose("auto").unwrap();
        assert_eq!(auto == Device::Cpu, cuda().is_err());
    }

    #[test]
    fn the_libtorch_that_runs_is_found() {
        // Something of libtorch must be used, else the linker leaves it out.
        assert_eq!(Tensor::from(1).size(), [0_i64; 0]);
        let folder = running_folder().unwrap();
        assert!(folder.join("libtorch_cpu.so").exists(), "{folder:?}");
    }

    #[test]
    fn the_machine_has_some_memory() {
        let free = available_memory();
        assert!(free > 1 << 20 && free < 1 << 50, "{free}");
    }
}
