//! `trommel graph`: the pipeline as a picture.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use layout::backends::svg::SVGWriter;
use layout::gv::{DotParser, GraphBuilder};
use trommel_engine::diagnostics::{Problem, Problems};

use super::PipelineArgs;
use crate::terminal;

#[derive(Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[arg(long, value_enum, default_value_t = Picture::Mermaid)]
    format: Picture,
}

#[derive(Clone, Copy, ValueEnum)]
enum Picture {
    Mermaid,
    Dot,
    Svg,
}

pub(super) fn run(args: &GraphArgs) -> Result<ExitCode, Problems> {
    let (plan, _) = args.pipeline.compile()?;
    let text = match args.format {
        Picture::Mermaid => plan.to_mermaid(),
        Picture::Dot => plan.to_dot(),
        Picture::Svg => svg(&plan.to_dot())?,
    };
    terminal::give(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn svg(dot: &str) -> Result<String, Problems> {
    let graph = DotParser::new(dot).process().map_err(|what| {
        Problem::error(
            "graph::layout",
            format!("the graph cannot be laid out: {what}"),
        )
    })?;
    let mut builder = GraphBuilder::new();
    builder.visit_graph(&graph);
    let mut picture = builder.get();
    let mut writer = SVGWriter::new();
    picture.do_it(false, false, false, &mut writer);
    Ok(writer.finalize())
}
