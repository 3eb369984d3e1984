//! `trommel cache`: what is in the cache, what it takes, what may go, what is damaged.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value as Json, json};
use trommel_engine::cache::{
    Alone, Cache, CacheError, Fault, Garbage, Keep, Share, in_words as time_in_words,
};
use trommel_engine::diagnostics::{Problem, Problems};
use trommel_engine::run::keys;
use trommel_engine::table::Digest;

use super::{CacheArgs, PipelineArgs};
use crate::quantity::{parse_age, parse_size, size};
use crate::terminal;

#[derive(Args)]
pub(crate) struct CacheVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the results of nodes, the last used one first
    Ls(Look),
    /// Say what the cache takes, by folder and by kind of node
    Du(Look),
    /// Remove what no recent run used
    Gc(GcArgs),
    /// Read everything; what is damaged is set aside
    Verify(Look),
}

#[derive(Args)]
struct Look {
    #[command(flatten)]
    cache: CacheArgs,
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct GcArgs {
    #[command(flatten)]
    look: Look,
    /// Keep what the last N runs of every pipeline used
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Keep what this pipeline file would use now
    #[arg(long = "pipeline", value_name = "FILE")]
    pipelines: Vec<PathBuf>,
    /// Keep what was made or used within this time (30d, 12h)
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    older_than: Option<Duration>,
    /// Remove only until the cache is this small (50GB), what was not used for longest first
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<u64>,
    /// Remove answers of servers too: they were paid for, and are asked and paid for again when they are needed
    #[arg(long)]
    answers: bool,
    /// Say what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait until nobody uses the cache
    #[arg(long)]
    wait: bool,
}

pub(super) fn run(args: &CacheVerb) -> Result<ExitCode, Problems> {
    match &args.verb {
        Verb::Ls(look) => ls(look),
        Verb::Du(look) => du(look),
        Verb::Gc(gc) => collect(gc),
        Verb::Verify(look) => verify(look),
    }
}

/// A cache to look at must be there.
fn folder(args: &CacheArgs) -> Result<PathBuf, Problems> {
    let folder = args.folder();
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Problem::error(
        "cache::missing",
        format!("there is no cache folder {}", folder.display()),
    )
    .help("--cache DIR or TROMMEL_CACHE name another one")
    .into())
}

fn open(look: &Look) -> Result<Cache, Problems> {
    folder(&look.cache)?;
    look.cache.open()
}

fn give_json(value: &Json) {
    terminal::give(&serde_json::to_string_pretty(value).unwrap_or_default());
}

fn ls(look: &Look) -> Result<ExitCode, Problems> {
    let cache = open(look)?;
    let listed = cache.list();
    if look.json {
        give_json(&json!(listed));
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = table(&["key", "kind", "node", "rows", "size", "last used", ""]);
    for item in &listed {
        let used = SystemTime::UNIX_EPOCH + Duration::from_secs(item.used);
        let age = SystemTime::now().duration_since(used).unwrap_or_default();
        table.add_row([
            item.key.short(),
            item.kind.clone(),
            item.nodes.join(", "),
            item.rows.to_string(),
            size(item.bytes),
            format!("{} ago", time_in_words(age)),
            match item.missing {
                0 => String::new(),
                n => format!("{n} objects are gone"),
            },
        ]);
    }
    right(&mut table, &[3, 4]);
    terminal::give(&table.to_string());
    Ok(ExitCode::SUCCESS)
}

fn du(look: &Look) -> Result<ExitCode, Problems> {
    let usage = open(look)?.usage();
    if look.json {
        give_json(&json!(usage));
        return Ok(ExitCode::SUCCESS);
    }
    let rows = |title: &str, unit: &str, shares: &std::collections::BTreeMap<String, Share>| {
        let mut table = table(&[title, unit, "size"]);
        for (name, share) in shares {
            table.add_row([name.clone(), share.count.to_string(), size(share.bytes)]);
        }
        right(&mut table, &[1, 2]);
        table.to_string()
    };
    let (folders, kinds) = (
        rows("folder", "files", &usage.groups),
        rows("objects by kind", "tables", &usage.kinds),
    );
    terminal::give(&format!(
        "{folders}\n\n{kinds}\n\nall of it: {}",
        size(usage.bytes)
    ));
    Ok(ExitCode::SUCCESS)
}

fn verify(look: &Look) -> Result<ExitCode, Problems> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let verified = open(look)?.verify_all(threads);
    if look.json {
        give_json(&json!(verified));
    } else {
        for Fault {
            path,
            reason,
            set_aside,
        } in &verified.faults
        {
            let done = if *set_aside { "; set aside" } else { "" };
            terminal::give(&format!("{path}: {reason}{done}"));
        }
        terminal::give(&format!(
            "{} objects and {} entries ({}) read in {:.1} s: {}",
            verified.objects,
            verified.entries,
            size(verified.bytes),
            verified.seconds,
            match verified.faults.len() {
                0 => "all as they were stored".to_owned(),
                n => format!("{n} faults; what is set aside is made again when it is needed"),
            }
        ));
    }
    Ok(ExitCode::from(u8::from(!verified.faults.is_empty())))
}

fn collect(args: &GcArgs) -> Result<ExitCode, Problems> {
    let root = folder(&args.look.cache)?;
    if args.dry_run {
        let cache = args.look.cache.open()?;
        let garbage = cache.garbage(&keep(args, &cache)?);
        tell(args, &cache, &garbage);
        return Ok(ExitCode::SUCCESS);
    }
    let alone = match Alone::open(&root, args.wait) {
        Ok(alone) => alone,
        Err(error @ CacheError::InUse { .. }) => {
            let help = "try again when it is done, or let --wait wait for it";
            return Ok(super::failed(error.to_string(), Some(help.to_owned())));
        }
        Err(error) => return Ok(failed(&error)),
    };
    let garbage = alone.garbage(&keep(args, &alone)?);
    if let Err(error) = alone.remove(&garbage) {
        return Ok(failed(&error));
    }
    tell(args, &alone, &garbage);
    Ok(ExitCode::SUCCESS)
}

fn failed(error: &CacheError) -> ExitCode {
    super::failed(error.to_string(), error.help().map(ToOwned::to_owned))
}

fn keep(args: &GcArgs, cache: &Cache) -> Result<Keep, Problems> {
    let mut keys = HashSet::new();
    for file in &args.pipelines {
        keys.extend(keys_of(file, cache)?);
    }
    Ok(Keep {
        runs: args.runs.into(),
        keys,
        younger_than: args.older_than,
        max_bytes: args.max_size,
        answers: !args.answers,
    })
}

/// The keys of all nodes of a pipeline as it stands now, as far as the cache knows their inputs.
fn keys_of(file: &Path, cache: &Cache) -> Result<Vec<Digest>, Problems> {
    let pipeline = PipelineArgs {
        file: file.to_owned(),
        set: Vec::new(),
    };
    let plan = pipeline.compile_to_run(true)?;
    keys(&plan, cache).map_err(|error| {
        let words = format!(
            "cannot tell what {} uses: {}",
            file.display(),
            error.message
        );
        Problem::error("cache::pipeline", words)
            .maybe_help(error.help)
            .into()
    })
}

fn tell(args: &GcArgs, cache: &Cache, garbage: &Garbage) {
    let left = garbage.bytes_before - garbage.bytes;
    let too_much = args.max_size.filter(|most| left > *most);
    if args.look.json {
        let count = |paths: &Vec<PathBuf>| paths.len();
        let inner = |path: &PathBuf| {
            let inner = path.strip_prefix(cache.root()).unwrap_or(path);
            inner.display().to_string()
        };
        give_json(&json!({
            "dry_run": args.dry_run,
            "tables": garbage.tables.iter().map(inner).collect::<Vec<_>>(),
            "chunks": count(&garbage.chunks),
            "rows": count(&garbage.rows),
            "objects": count(&garbage.objects),
            "answers": count(&garbage.answers),
            "others": count(&garbage.others),
            "bytes": garbage.bytes,
            "bytes_left": left,
            "bytes_needed": garbage.bytes_needed,
            "fits": too_much.is_none(),
        }));
        return;
    }
    let counts = [
        (garbage.tables.len(), "entries of tables"),
        (garbage.chunks.len(), "of chunks"),
        (garbage.rows.len(), "of rows"),
        (garbage.objects.len(), "objects"),
        (garbage.answers.len(), "files of answers"),
        (garbage.others.len(), "left-overs"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let would = if args.dry_run {
        "would remove"
    } else {
        "removed"
    };
    let what = if parts.is_empty() {
        "nothing".to_owned()
    } else {
        format!("{}: {}", parts.join(", "), size(garbage.bytes))
    };
    let left = size(left);
    terminal::give(&format!(
        "{would} {what}; {left} stay, {} of it objects that are needed",
        size(garbage.bytes_needed)
    ));
    if let Some(most) = too_much {
        terminal::say(&format!(
            "what has to stay is more than {}: --runs keeps less, and so does a shorter --older-than",
            size(most)
        ));
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table
}

fn right(table: &mut Table, columns: &[usize]) {
    for &column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
