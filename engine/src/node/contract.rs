//! What a node promises, asked of its configuration before anything is built or read: the tables,
//! columns and files it reads, the ports and columns it gives.

use crate::diagnostics::Place;
use crate::table::ColumnType;

use super::estimate::Estimator;
use super::model_ref::{ModelPlace, ModelRef};
use super::name::reference_parts;
use super::port::{Port, RowsOf};
use super::program::{CommandLine, ProgramFiles};
use super::reference::{ColumnRef, DataPath, TableRef};

/// Filled in by [`super::Kind::contract`].
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a promise of its own"
)]
pub struct Contract {
    pub inputs: Vec<InputNeed>,
    pub files: Vec<FileNeed>,
    pub ports: Vec<Port>,
    /// Ports that are not given, and the setting that would change that.
    pub absent_ports: Vec<(&'static str, &'static str)>,
    pub permit: Permit,
    /// Memory that the node needs: so many times the bytes of what these keys name.
    pub memory: Vec<(&'static str, f64)>,
    /// And so many bytes beside.
    pub memory_beside: u64,
    /// How often a call that failed for a passing reason is made again ([`super::NodeError::transient`]).
    pub retries: u32,
    /// Keys that change speed, or whether a further port is given, but nothing of what is given: they are no part of
    /// the node's identity.
    pub speed: Vec<&'static str>,
    pub refusals: Vec<Refusal>,
    /// Each row of the default port depends on one row of the inputs only.
    pub row_wise: bool,
    /// Rows that cannot be done may be set aside (`on_error: quarantine`).
    pub fails_by_row: bool,
    /// What the work will cost, where it costs money.
    pub estimator: Option<Box<dyn Estimator>>,
    /// The inputs may be of different origins.
    pub unaligned: bool,
    /// The node saves what it has on its way, and goes on from there.
    pub resumes: bool,
}

/// A value that a kind does not take, though it has the right type.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub key: &'static str,
    pub message: String,
    pub help: String,
}

/// One reference of a configuration to a table or a column.
#[derive(Clone, Debug)]
pub struct InputNeed {
    /// The key of the configuration.
    pub key: &'static str,
    /// As written: `NODE`, `NODE.PORT`, `NODE.COLUMN` or `NODE.PORT.COLUMN`.
    pub text: String,
    pub place: Place,
    pub reads: Vec<Read>,
    /// The reference ends in a column, whose name fills the only entry of `reads`.
    pub is_column: bool,
    /// All columns are read, since the node passes them on.
    pub passes: bool,
    /// What the node gives mentions the reference by name, so the name is part of its key.
    pub named: bool,
    /// What the node calls a single column, where that is not the key of the configuration. Part of its key.
    pub label: Option<String>,
}

/// A column that a node reads.
#[derive(Clone, Debug)]
pub struct Read {
    pub column: String,
    /// Any of these will do.
    pub types: Vec<ColumnType>,
    /// The column holds paths: what the files hold counts, not their names.
    pub files: bool,
}

/// A file, folder or model of a configuration.
#[derive(Clone, Debug)]
pub struct FileNeed {
    pub key: &'static str,
    pub usage: FileUse,
    pub place: Place,
    /// Of a model: files that it must have where it is one of the hub's, alternatives separated by `|`.
    pub parts: &'static [&'static str],
}

#[derive(Clone, Debug)]
pub enum FileUse {
    /// Counts by content.
    File(DataPath),
    /// A file, or all that a glob matches: each counts by content, and their names count too.
    Files(DataPath),
    /// All files of a folder count by name and content, but for hidden ones and folders in it.
    FilesIn(DataPath),
    /// Must be there; what is in it counts through the rows that point into it.
    Folder(DataPath),
    /// The folder that a file stands in, as [`FileUse::Folder`]: rows point into it.
    FolderOf(DataPath),
    /// The files of a model count by content.
    Model(ModelRef),
    /// All files of a program of the user's count by content, and their names count too.
    Program(ProgramFiles),
}

/// What a node needs of the machine while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permit {
    /// One of the processors.
    #[default]
    Cpu,
    /// The whole machine (all processors).
    Exclusive,
    /// The device of the run: a GPU where there is one, else the whole machine.
    Device,
    /// Nothing: the node waits for a server most of the time.
    Server,
}

impl Contract {
    /// A table, by its rows.
    pub fn table(&mut self, key: &'static str, from: &TableRef) -> &mut InputNeed {
        self.input(key, &from.text, &from.place, false)
    }

    /// One column.
    pub fn column(
        &mut self,
        key: &'static str,
        from: &ColumnRef,
        types: &[ColumnType],
    ) -> &mut InputNeed {
        let need = self.input(key, &from.text, &from.place, true);
        let column = reference_parts(&from.text)
            .pop()
            .unwrap_or_default()
            .to_owned();
        need.reads.push(Read {
            column,
            types: types.to_vec(),
            files: false,
        });
        need
    }

    fn input(
        &mut self,
        key: &'static str,
        text: &str,
        place: &Place,
        is_column: bool,
    ) -> &mut InputNeed {
        self.inputs.push(InputNeed {
            key,
            text: text.to_owned(),
            place: place.clone(),
            reads: Vec::new(),
            is_column,
            passes: false,
            named: false,
            label: None,
        });
        let last = self.inputs.len() - 1;
        &mut self.inputs[last]
    }

    pub fn file(&mut self, key: &'static str, path: &DataPath) {
        self.need(key, FileUse::File(path.clone()), &path.place);
    }

    /// A file or a glob of files ([`DataPath::files`]).
    pub fn files(&mut self, key: &'static str, path: &DataPath) {
        self.need(key, FileUse::Files(path.clone()), &path.place);
    }

    /// All files of a folder.
    pub fn files_in(&mut self, key: &'static str, folder: &DataPath) {
        self.need(key, FileUse::FilesIn(folder.clone()), &folder.place);
    }

    pub fn folder(&mut self, key: &'static str, path: &DataPath) {
        self.need(key, FileUse::Folder(path.clone()), &path.place);
    }

    /// The folder that a file stands in, where `key` would name another.
    pub fn folder_of(&mut self, key: &'static str, file: &DataPath) {
        self.need(key, FileUse::FolderOf(file.clone()), &file.place);
    }

    pub fn model(&mut self, key: &'static str, model: &ModelRef) -> &mut FileNeed {
        self.need(key, FileUse::Model(model.clone()), &model.place)
    }

    pub(crate) fn has_model(&self) -> bool {
        let mut needs = self.files.iter();
        needs.any(|need| matches!(need.usage, FileUse::Model(_)))
    }

    fn need(&mut self, key: &'static str, usage: FileUse, place: &Place) -> &mut FileNeed {
        self.files.push(FileNeed {
            key,
            usage,
            place: place.clone(),
            parts: &[],
        });
        let last = self.files.len() - 1;
        &mut self.files[last]
    }

    /// A program of the user's, with the `files` under `key` that make it what it is beside those that its command
    /// names; `versioned`: something else tells one version of it from the next.
    pub fn program(
        &mut self,
        key: &'static str,
        command: &CommandLine,
        files: &[DataPath],
        versioned: bool,
    ) {
        let files = ProgramFiles::new(command, files, versioned);
        self.need(key, FileUse::Program(files), &command.place);
    }

    /// A port; the first one is the default.
    pub fn port(&mut self, name: &'static str, rows: RowsOf) -> &mut Port {
        self.ports.push(Port::new(name, rows));
        let last = self.ports.len() - 1;
        &mut self.ports[last]
    }

    /// A port of files, which stand in the cache as they are; an output writes them into a folder. The engine makes its rows, one
    /// for each file. A port that is given only under some setting stands last, and that setting may be
    /// [`Self::speed_only`]: a stored result that lacks the port is made again.
    pub fn port_of_files(&mut self, name: &'static str) {
        let port = self.port(name, RowsOf::Plain);
        port.gives("file", ColumnType::Text)
            .gives("bytes", ColumnType::U64)
            .gives("digest", ColumnType::Text);
        port.files = true;
    }

    /// A port that the node would give with this setting (`save: true`).
    pub fn absent_port(&mut self, name: &'static str, setting: &'static str) {
        self.absent_ports.push((name, setting));
    }

    pub fn permit(&mut self, permit: Permit) {
        self.permit = permit;
    }

    /// The node holds `times` the bytes of the input or the files under `key` in memory. Nodes run side by side
    /// only while the sum of what they need fits into the memory that the run may use.
    pub fn memory(&mut self, key: &'static str, times: f64) {
        self.memory.push((key, times));
    }

    /// It holds up to so many bytes whatever it reads.
    pub fn memory_beside(&mut self, bytes: u64) {
        self.memory_beside = bytes;
    }

    /// A call that fails for a passing reason is made again up to `times` times, after 0.5, 1, 2, .. seconds.
    pub fn retries(&mut self, times: u32) {
        self.retries = times;
    }

    pub fn speed_only(&mut self, keys: &[&'static str]) {
        self.speed.extend(keys);
    }

    /// The kind builds a [`super::RowNode`].
    pub fn row_wise(&mut self) {
        self.row_wise = true;
        self.fails_by_row = true;
    }

    /// The kind builds a [`super::TableNode`] that names the rows of its input that it cannot do
    /// ([`super::Outputs::failed`]), as row-wise nodes do.
    pub fn fails_by_row(&mut self) {
        self.fails_by_row = true;
    }

    /// The work is done by a service that takes money: what it comes to is told by `trommel plan`.
    pub fn estimated(&mut self, estimator: impl Estimator + 'static) {
        self.estimator = Some(Box::new(estimator));
    }

    pub fn unaligned(&mut self) {
        self.unaligned = true;
    }

    /// The node works for long: it saves what it has in [`super::Context::unfinished`], goes on from there, and is given the
    /// time to save once more where it is stopped.
    pub fn resumes(&mut self) {
        self.resumes = true;
    }

    /// A configuration that decodes but makes no sense. The engine underlines the key's value.
    pub fn refuse(
        &mut self,
        key: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.refusals.push(Refusal {
            key,
            message: message.into(),
            help: help.into(),
        });
    }
}

impl FileNeed {
    /// Files that a model of the hub must have beside its weights, alternatives separated by `|`. Weights among them are
    /// fetched in place of the usual ones.
    pub fn parts(&mut self, parts: &'static [&'static str]) {
        self.parts = parts;
    }

    /// Where the model is, if this is one.
    pub fn model_place(&self) -> Option<ModelPlace> {
        match &self.usage {
            FileUse::Model(model) => Some(model.place(self.parts)),
            _ => None,
        }
    }
}

impl InputNeed {
    pub fn reads(&mut self, column: &str, types: &[ColumnType]) -> &mut Self {
        self.reads.push(Read {
            column: column.to_owned(),
            types: types.to_vec(),
            files: false,
        });
        self
    }

    /// A column of paths whose files the node opens.
    pub fn reads_files(&mut self, column: &str) -> &mut Self {
        self.reads.push(Read {
            column: column.to_owned(),
            types: vec![ColumnType::Text],
            files: true,
        });
        self
    }

    pub fn passes(&mut self) -> &mut Self {
        self.passes = true;
        self
    }

    pub fn named(&mut self) -> &mut Self {
        self.named = true;
        self
    }

    /// The node knows this single column as `label`: one key may hold several columns under names of their own.
    pub fn called(&mut self, label: &str) -> &mut Self {
        self.label = Some(label.to_owned());
        self
    }
}
