//! A pickle reader for dictionaries of tensors: an allow-list of operations and names, and nothing is ever called.
//!
//! Every operation reads at least one byte and makes at most one object, so memory is bounded by the pickle's size.

use std::collections::HashMap;

use super::object::{Global, Heap, Id, Object, Storage, Tensor};
use crate::error::TorchError;

/// Runs the pickle and gives the objects it describes.
pub(crate) fn load(bytes: &[u8]) -> Result<Heap<'_>, TorchError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        objects: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let opcode = machine.byte()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return Ok(Heap {
                objects: machine.objects,
                root,
            });
        }
        machine.step(opcode)?;
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack where a MARK was set.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// One operation. The letters are the opcodes themselves, named as in pickletools.
    fn step(&mut self, opcode: u8) -> Result<(), TorchError> {
        match opcode {
            0x80 => drop(self.byte()?),                // PROTO
            0x95 => drop(self.take(8)?),               // FRAME
            b'(' => self.marks.push(self.stack.len()), // MARK
            b'0' => drop(self.pop()?),                 // POP
            b'1' => drop(self.pop_mark()?),            // POP_MARK
            b'N' => self.push(Object::None),
            0x88 | 0x89 => self.push(Object::Bool), // NEWTRUE, NEWFALSE
            b'K' => self.push_int::<1>()?,          // BININT1
            b'M' => self.push_int::<2>()?,          // BININT2
            b'J' => {
                let value = i32::from_le_bytes(self.array()?); // BININT
                self.push(Object::Int(value.into()));
            }
            0x8a => self.long()?, // LONG1
            b'G' => {
                self.take(8)?; // BINFLOAT
                self.push(Object::Float);
            }
            0x8c => self.text::<1>()?, // SHORT_BINUNICODE
            b'X' => self.text::<4>()?, // BINUNICODE
            0x8d => self.text::<8>()?, // BINUNICODE8
            b'}' => self.push(Object::Dict(Vec::new())), // EMPTY_DICT
            b']' => self.push(Object::List(Vec::new())), // EMPTY_LIST
            b')' => self.push(Object::Tuple(Vec::new())), // EMPTY_TUPLE
            b't' => {
                let items = self.pop_mark()?; // TUPLE
                self.push(Object::Tuple(items));
            }
            0x85..=0x87 => {
                let mut items = Vec::new(); // TUPLE1, TUPLE2, TUPLE3
                for _ in 0x85..=opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Object::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?; // APPEND
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_mark()?; // APPENDS
                self.append(items)?;
            }
            b's' => {
                let value = self.pop()?; // SETITEM
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?; // SETITEMS
                self.set(&items)?;
            }
            b'q' => self.remember::<1>()?,                 // BINPUT
            b'r' => self.remember::<4>()?,                 // LONG_BINPUT
            0x94 => self.memoize(self.memo.len() as u32)?, // MEMOIZE
            b'h' => self.recall::<1>()?,                   // BINGET
            b'j' => self.recall::<4>()?,                   // LONG_BINGET
            b'c' => {
                let module = self.line()?; // GLOBAL
                let name = self.line()?;
                self.push(Object::Global(Global::of(module, name)?));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?); // STACK_GLOBAL
                let (Object::Str(module), Object::Str(name)) =
                    (&self.objects[module], &self.objects[name])
                else {
                    return Err(self.wrong("a global is not named by strings"));
                };
                let global = Global::of(module, name)?;
                self.push(Object::Global(global));
            }
            b'Q' => self.storage()?, // BINPERSID
            b'R' => self.reduce()?,  // REDUCE
            b'b' => {
                // BUILD: state dictionaries carry a `_metadata` attribute this way; attributes are passed over.
                self.pop()?;
                if !matches!(self.top()?, Object::Dict(_)) {
                    return Err(self.wrong("attributes set on something that is no dictionary"));
                }
            }
            opcode => {
                return Err(TorchError::ForbiddenOpcode {
                    opcode,
                    at: self.at - 1,
                });
            }
        }
        Ok(())
    }

    /// The tuple ("storage", type, key, device, elements) stands for the archive entry of that key.
    fn storage(&mut self) -> Result<(), TorchError> {
        let id = self.pop()?;
        let fields = self.tuple(id)?;
        let [tag, kind, key, _device, elements] = fields[..] else {
            return Err(self.wrong("a storage is not described by five fields"));
        };
        let of = |id: Id| &self.objects[id];
        match (of(tag), of(kind), of(key), of(elements)) {
            (
                Object::Str("storage"),
                Object::Global(Global::StorageType(dtype)),
                Object::Str(key),
                Object::Int(elements),
            ) => {
                let storage = Storage {
                    key,
                    dtype: *dtype,
                    elements: *elements,
                };
                self.push(Object::Storage(storage));
                Ok(())
            }
            _ => Err(self.wrong("a storage is described by fields of wrong types")),
        }
    }

    /// The known functions, applied to their arguments.
    fn reduce(&mut self) -> Result<(), TorchError> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let arguments = self.tuple(arguments)?.to_vec();
        let made = match self.objects[function] {
            Object::Global(Global::OrderedDict) if arguments.is_empty() => Object::Dict(Vec::new()),
            Object::Global(Global::RebuildTensor) => Object::Tensor(self.tensor(&arguments)?),
            Object::Global(Global::RebuildParameter) => {
                match arguments.first().map(|id| &self.objects[*id]) {
                    Some(Object::Tensor(tensor)) => Object::Tensor(tensor.clone()),
                    _ => {
                        return Err(
                            self.wrong("a parameter is made of something that is no tensor")
                        );
                    }
                }
            }
            _ => {
                return Err(
                    self.wrong("something is called that cannot be, or with wrong arguments")
                );
            }
        };
        self.push(made);
        Ok(())
    }

    /// Arguments: storage, offset, shape, strides, `requires_grad`, hooks and, rarely, extra marks (conjugate, negative).
    fn tensor(&self, arguments: &[Id]) -> Result<Tensor<'a>, TorchError> {
        let (fields, marks) = arguments.split_at(arguments.len().min(6));
        let [storage, offset, shape, strides, _grad, _hooks] = *fields else {
            return Err(self.wrong("a tensor has too few arguments"));
        };
        let plain = |id: &Id| match &self.objects[*id] {
            Object::None => true,
            Object::Dict(items) => items.is_empty(),
            _ => false,
        };
        if !marks.iter().all(plain) {
            return Err(self.wrong(
                "a tensor carries marks (conjugate or negative view), which are not supported",
            ));
        }
        let (Object::Storage(storage), Object::Int(offset)) =
            (&self.objects[storage], &self.objects[offset])
        else {
            return Err(self.wrong("a tensor has no storage or no offset"));
        };
        Ok(Tensor {
            storage: storage.clone(),
            offset: *offset,
            shape: self.ints(shape)?,
            strides: self.ints(strides)?,
        })
    }

    fn ints(&self, id: Id) -> Result<Vec<i64>, TorchError> {
        let int = |id: &Id| match self.objects[*id] {
            Object::Int(value) => Ok(value),
            _ => Err(self.wrong("a shape or stride is no integer")),
        };
        self.tuple(id)?.iter().map(int).collect()
    }

    fn tuple(&self, id: Id) -> Result<&[Id], TorchError> {
        match &self.objects[id] {
            Object::Tuple(items) => Ok(items),
            _ => Err(self.wrong("expected a tuple")),
        }
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), TorchError> {
        match self.top()? {
            Object::List(list) => {
                list.extend(items);
                Ok(())
            }
            _ => Err(self.wrong("items added to something that is no list")),
        }
    }

    fn set(&mut self, items: &[Id]) -> Result<(), TorchError> {
        let (pairs, rest) = items.as_chunks::<2>();
        match self.top()? {
            Object::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                Ok(())
            }
            _ => {
                Err(self
                    .wrong("items set on something that is no dictionary, or a key without value"))
            }
        }
    }

    fn remember<const SIZE: usize>(&mut self) -> Result<(), TorchError> {
        let slot = self.unsigned::<SIZE>()?;
        self.memoize(slot as u32)
    }

    fn memoize(&mut self, slot: u32) -> Result<(), TorchError> {
        let Some(id) = self.stack.last() else {
            return Err(self.wrong("the stack is empty"));
        };
        self.memo.insert(slot, *id);
        Ok(())
    }

    fn recall<const SIZE: usize>(&mut self) -> Result<(), TorchError> {
        let slot = self.unsigned::<SIZE>()? as u32;
        let Some(id) = self.memo.get(&slot) else {
            return Err(self.wrong("it refers to an object that it has not given"));
        };
        self.stack.push(*id);
        Ok(())
    }

    fn long(&mut self) -> Result<(), TorchError> {
        let length = usize::from(self.byte()?);
        let digits = self.take(length)?;
        if length > 8 {
            return Err(self.wrong("an integer beyond 64 bits"));
        }
        let negative = digits.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut value = [if negative { 0xff } else { 0 }; 8];
        value[..length].copy_from_slice(digits);
        self.push(Object::Int(i64::from_le_bytes(value)));
        Ok(())
    }

    fn push_int<const SIZE: usize>(&mut self) -> Result<(), TorchError> {
        let value = self.unsigned::<SIZE>()?;
        self.push(Object::Int(value as i64));
        Ok(())
    }

    fn text<const SIZE: usize>(&mut self) -> Result<(), TorchError> {
        let length = usize::try_from(self.unsigned::<SIZE>()?).unwrap_or(usize::MAX);
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.wrong("a string is not UTF-8"))?;
        self.push(Object::Str(text));
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str, TorchError> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
            return Err(self.wrong("a name without end"));
        };
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| self.wrong("a name is not UTF-8"))
    }

    fn unsigned<const SIZE: usize>(&mut self) -> Result<u64, TorchError> {
        let mut value = [0; 8];
        value[..SIZE].copy_from_slice(self.take(SIZE)?);
        Ok(u64::from_le_bytes(value))
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], TorchError> {
        let mut value = [0; SIZE];
        value.copy_from_slice(self.take(SIZE)?);
        Ok(value)
    }

    fn byte(&mut self) -> Result<u8, TorchError> {
        Ok(self.array::<1>()?[0])
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], TorchError> {
        match self.bytes[self.at..].get(..length) {
            Some(taken) => {
                self.at += length;
                Ok(taken)
            }
            None => Err(self.wrong("it ends too early")),
        }
    }

    fn push(&mut self, object: Object<'a>) {
        self.stack.push(self.objects.len());
        self.objects.push(object);
    }

    fn pop(&mut self) -> Result<Id, TorchError> {
        // Below a mark lies what belongs to someone else.
        if self
            .marks
            .last()
            .is_some_and(|mark| self.stack.len() <= *mark)
        {
            return Err(self.wrong("it takes more from the stack than there is"));
        }
        self.stack
            .pop()
            .ok_or_else(|| self.wrong("it takes more from the stack than there is"))
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, TorchError> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => Err(self.wrong("it ends a group that it has not begun")),
        }
    }

    fn top(&mut self) -> Result<&mut Object<'a>, TorchError> {
        match self.stack.last() {
            Some(id) => Ok(&mut self.objects[*id]),
            None => Err(self.wrong("the stack is empty")),
        }
    }

    fn wrong(&self, reason: &str) -> TorchError {
        TorchError::Pickle {
            at: self.at,
            reason: reason.to_string(),
        }
    }
}
