//! `trommel show`: a node's table, from the cache.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use trommel_engine::cache::Cache;
use trommel_engine::diagnostics::{Problem, Problems, nearest};
use trommel_engine::node::first_part;
use trommel_engine::run::{inspect, write_folder};
use trommel_engine::table::Table;

use super::{CacheArgs, PipelineArgs, cannot_write, named_node, require_files};
use crate::show::{self, Shape};
use crate::terminal;

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// NODE or NODE.PORT
    node: String,
    #[command(flatten)]
    cache: CacheArgs,
    /// The first N rows [default: 20 for a table, else all]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// Only these columns
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    columns: Vec<String>,
    /// [default: table; for files with --out: folder]
    #[arg(long, value_enum)]
    format: Option<ShowFormat>,
    /// Write to a file instead of stdout; with the format folder, the folder
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ShowFormat {
    Table,
    Json,
    Csv,
    Arrow,
    Parquet,
    /// The files that a port of files names
    Folder,
}

pub(super) fn run(args: &ShowArgs) -> Result<ExitCode, Problems> {
    let plan = args.pipeline.compile_to_run(true)?;
    let name = first_part(&args.node);
    let port = args.node.get(name.len() + 1..);
    let id = named_node(&plan, name, "show")?;
    let name = plan.node(id).name.as_str();
    let needed = plan.ancestors([id]);
    require_files(&plan, &needed)?;
    let cache = args.cache.open()?;
    let statuses = inspect(&plan, &needed, &HashSet::new(), &cache)
        .map_err(|e| Problem::error("show::failed", e.message))?;
    let node = plan.node(id);
    let port = match port {
        None => 0,
        Some(port) => node.port(port).ok_or_else(|| {
            let all: Vec<&str> = node.ports.iter().map(|p| p.name).collect();
            Problem::error(
                "call::unknown_port",
                format!("`{name}` has no port `{port}`"),
            )
            .help(format!("its ports are {}", all.join(", ")))
        })?,
    };
    let tables = statuses
        .into_iter()
        .find(|s| s.id == id)
        .and_then(|s| s.tables);
    let Some(table) = tables.as_ref().and_then(|t| t.ports.get(port)) else {
        return Ok(super::failed(
            format!(
                "`{name}` has not been run as it stands in {}",
                args.pipeline.file.display()
            ),
            Some(format!(
                "trommel run {} --to {name}",
                args.pipeline.file.display()
            )),
        ));
    };
    let ports = &node.contract.ports;
    let of_files = ports.get(port).is_some_and(|port| port.files);
    let format = args.format.unwrap_or(match &args.out {
        Some(_) if of_files => ShowFormat::Folder,
        _ => ShowFormat::Table,
    });
    if format == ShowFormat::Folder {
        return write_files(table, of_files, args, &cache);
    }
    let table = with_columns(table, &args.columns)?;
    let rows = args.rows.unwrap_or(if format == ShowFormat::Table {
        20
    } else {
        usize::MAX
    });
    let batch = table
        .take(&(0..table.rows().min(rows)).collect::<Vec<_>>())
        .map_err(|e| {
            Problem::error("show::read", e.to_string()).help("the cache may be damaged; run again")
        })?;
    let shape = match format {
        ShowFormat::Table | ShowFormat::Folder => Shape::Table { of: table.rows() },
        ShowFormat::Json => Shape::Json,
        ShowFormat::Csv => Shape::Csv,
        ShowFormat::Arrow => Shape::Arrow,
        ShowFormat::Parquet => Shape::Parquet,
    };
    let bytes = show::render(&batch, shape).map_err(|e| Problem::error("show::format", e))?;
    match &args.out {
        Some(path) => {
            trommel_engine::cache::publish(path, |file| {
                use std::io::Write;
                file.write_all(&bytes)
                    .map_err(|source| trommel_engine::cache::CacheError::Io {
                        action: "write",
                        path: path.clone(),
                        source,
                    })
            })
            .map_err(|e| cannot_write(path, &e))?;
            terminal::say(&format!("wrote {}", path.display()));
        }
        None => {
            use std::io::Write;
            // A reader that has gone has seen enough.
            let _ = std::io::stdout()
                .write_all(&bytes)
                .and_then(|()| std::io::stdout().flush());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The files themselves, all of them.
fn write_files(
    table: &Table,
    of_files: bool,
    args: &ShowArgs,
    cache: &Cache,
) -> Result<ExitCode, Problems> {
    let refused =
        |what: &str, help: &str| Err(Problem::error("call::folder", what).help(help).into());
    let Some(path) = &args.out else {
        return refused(
            "the format folder is not for stdout",
            "name the folder: --out DIR",
        );
    };
    if !of_files {
        return refused("these are rows, not files", "leave `--format folder` out");
    }
    if args.rows.is_some() || !args.columns.is_empty() {
        return refused(
            "a folder holds all of the files",
            "leave --rows and --columns out",
        );
    }
    match write_folder(table, path, cache) {
        Ok(_) => terminal::say(&format!("wrote {}", path.display())),
        Err(error) => return Ok(super::failed(error.message, error.help)),
    }
    Ok(ExitCode::SUCCESS)
}

fn with_columns(table: &Table, columns: &[String]) -> Result<Table, Problems> {
    if columns.is_empty() {
        return Ok(table.clone());
    }
    let all: Vec<&str> = table.fields().iter().map(|f| f.name().as_str()).collect();
    let mut problems = Problems::default();
    for column in columns.iter().filter(|c| !all.contains(&c.as_str())) {
        let help = nearest(column, all.iter().copied()).map_or_else(
            || format!("its columns are {}", all.join(", ")),
            |n| format!("did you mean `{n}`?"),
        );
        problems.push(
            Problem::error(
                "call::unknown_column",
                format!("there is no column `{column}`"),
            )
            .help(help),
        );
    }
    if problems.has_errors() {
        return Err(problems);
    }
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    table
        .select(&names)
        .map_err(|e| Problem::error("show::columns", e.to_string()).into())
}
