//! The switch that lets a GPU multiply float32 matrices in TF32. It is one for the whole process, so it is on only while work
//! that asked for it runs.

use std::ffi::c_void;

use libloading::os::unix::Library;

use crate::device::DeviceError;

type Context = *mut c_void;

/// TF32 is allowed until this is dropped; then the switch is as it was before.
#[derive(Debug)]
pub struct Allowed {
    switch: Switch,
    before: bool,
}

pub fn allow() -> Result<Allowed, DeviceError> {
    let switch = Switch::find().map_err(|error| DeviceError::Tf32 {
        reason: error.to_string(),
    })?;
    let before = switch.is_on();
    switch.turn(true);
    Ok(Allowed { switch, before })
}

impl Drop for Allowed {
    fn drop(&mut self) {
        self.switch.turn(self.before);
    }
}

/// `at::Context` of libtorch. tch does not wrap it, but its functions are symbols of the library.
#[derive(Debug)]
struct Switch {
    context: Context,
    get: unsafe extern "C" fn(Context) -> bool,
    set: unsafe extern "C" fn(Context, bool),
}

/// `at::Context& at::globalContext()`
const GLOBAL: &[u8] = b"_ZN2at13globalContextEv\0";
/// `bool at::Context::allowTF32CuBLAS() const`
const GET: &[u8] = b"_ZNK2at7Context15allowTF32CuBLASEv\0";
/// `void at::Context::setAllowTF32CuBLAS(bool)`
const SET: &[u8] = b"_ZN2at7Context18setAllowTF32CuBLASEb\0";

impl Switch {
    #[expect(
        unsafe_code,
        reason = "the names say the functions' types; a method takes its object first"
    )]
    fn find() -> Result<Self, libloading::Error> {
        let loaded = Library::this();
        // SAFETY: mangled names hold the types of the arguments, so what has the name has the type, and a reference and a
        // bool are returned as a pointer and a bool. The library is never closed, and its context lives as long as it does.
        unsafe {
            let global = loaded.get::<unsafe extern "C" fn() -> Context>(GLOBAL)?;
            Ok(Self {
                context: global(),
                get: *loaded.get(GET)?,
                set: *loaded.get(SET)?,
            })
        }
    }

    #[expect(unsafe_code, reason = "as in `find`")]
    fn is_on(&self) -> bool {
        // SAFETY: a method of the object that is handed to it; it changes nothing.
        unsafe { (self.get)(self.context) }
    }

    #[expect(unsafe_code, reason = "as in `find`")]
    fn turn(&self, on: bool) {
        // SAFETY: a method of the object that is handed to it. The worker computes on one thread, which is this one.
        unsafe { (self.set)(self.context, on) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_is_on_only_while_it_is_held() {
        // Something of libtorch must be used, else the linker leaves it out.
        assert_eq!(tch::Tensor::from(1).size(), [0_i64; 0]);
        let on = || Switch::find().unwrap().is_on();
        assert!(!on());
        let allowed = allow().unwrap();
        assert!(on());
        drop(allow().unwrap());
        assert!(on(), "the inner one put it back as it was");
        drop(allowed);
        assert!(!on());
    }
}
