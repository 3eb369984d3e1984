//! The values a pickle of tensors may hold. They live in one list and name each other by their place in it,
//! because a pickle may refer to a container again (or to itself) while it is still being filled.

use crate::dtype::Dtype;
use crate::error::TorchError;

/// Place of an object in the heap.
pub(crate) type Id = usize;

/// All objects of one pickle; `root` is what it stands for. Strings point into the pickle.
#[derive(Debug)]
pub(crate) struct Heap<'a> {
    pub(crate) objects: Vec<Object<'a>>,
    pub(crate) root: Id,
}

#[derive(Debug)]
pub(crate) enum Object<'a> {
    None,
    Bool,
    Int(i64),
    Float,
    Str(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage<'a>),
    Tensor(Tensor<'a>),
}

/// The functions and types that a pickle may name. None of them is called: each stands for something we build ourselves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageType(Dtype),
}

/// A run of elements in the archive entry `data/KEY`.
#[derive(Clone, Debug)]
pub(crate) struct Storage<'a> {
    pub(crate) key: &'a str,
    pub(crate) dtype: Dtype,
    pub(crate) elements: i64,
}

/// A view of a storage, as written: nothing of it is checked yet.
#[derive(Clone, Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) storage: Storage<'a>,
    pub(crate) offset: i64,
    pub(crate) shape: Vec<i64>,
    pub(crate) strides: Vec<i64>,
}

impl Global {
    pub(crate) fn of(module: &str, name: &str) -> Result<Global, TorchError> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch", "FloatStorage") => Global::StorageType(Dtype::F32),
            ("torch", "DoubleStorage") => Global::StorageType(Dtype::F64),
            ("torch", "HalfStorage") => Global::StorageType(Dtype::F16),
            ("torch", "BFloat16Storage") => Global::StorageType(Dtype::BF16),
            ("torch", "LongStorage") => Global::StorageType(Dtype::I64),
            ("torch", "IntStorage") => Global::StorageType(Dtype::I32),
            ("torch", "ShortStorage") => Global::StorageType(Dtype::I16),
            ("torch", "CharStorage") => Global::StorageType(Dtype::I8),
            ("torch", "ByteStorage") => Global::StorageType(Dtype::U8),
            ("torch", "BoolStorage") => Global::StorageType(Dtype::Bool),
            _ => {
                let global: String = format!("{module}.{name}").chars().take(200).collect();
                return Err(TorchError::ForbiddenGlobal { global });
            }
        })
    }
}

impl Object<'_> {
    /// What it is, in a word, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Object::None => "None",
            Object::Bool => "a bool",
            Object::Int(_) => "an int",
            Object::Float => "a float",
            Object::Str(_) => "a string",
            Object::Tuple(_) => "a tuple",
            Object::List(_) => "a list",
            Object::Dict(_) => "a dictionary",
            Object::Global(_) => "a type",
            Object::Storage(_) => "a storage",
            Object::Tensor(_) => "a single tensor",
        }
    }
}
