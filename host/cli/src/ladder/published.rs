//! What others have published of the same or nearly the same models. Figures of other people's boards, not measured here.

use serde::Serialize;

/// One published design.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Published {
    pub design: &'static str,
    pub machine: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_hz: Option<f64>,
    pub remark: &'static str,
    pub source: &'static str,
}

const NOTHING: Published = Published {
    design: "",
    machine: "",
    cycles: None,
    tokens_per_second: None,
    clock_hz: None,
    remark: "",
    source: "",
};

pub const MICRO_GPT: &[Published] = &[
    Published {
        design: "TALOS-V2",
        machine: "DE1-SoC",
        cycles: Some(1061.0),
        tokens_per_second: Some(53_000.0),
        clock_hz: Some(56.25e6),
        remark: "the same 4,192 parameters, weights in ROM",
        source: "github.com/Luthiraa/TALOS-V2",
    },
    Published {
        design: "gateGPT",
        machine: "Virtex-5 XC5VLX110T",
        cycles: Some(1156.0),
        tokens_per_second: Some(69_204.0),
        clock_hz: Some(80e6),
        remark: "first token; d = 24, one block, context 16, weights in ROM",
        source: "github.com/fguzman82/gateGPT",
    },
];

pub const CHARACTERS: &[Published] = &[
    Published {
        design: "ZyboGPT",
        machine: "Zybo Z7-10",
        tokens_per_second: Some(3072.0),
        clock_hz: Some(150e6),
        remark: "on the board; ternary weights",
        source: "github.com/mpai17/ZyboGPT",
        ..NOTHING
    },
    Published {
        design: "ZyboGPT",
        machine: "simulated",
        tokens_per_second: Some(5441.0),
        clock_hz: Some(150e6),
        remark: "the same, simulated",
        source: "github.com/mpai17/ZyboGPT",
        ..NOTHING
    },
];

pub const STORIES_260K: &[Published] = &[Published {
    design: "llama2.clash",
    machine: "simulated",
    cycles: Some(38_000.0),
    remark: "simulation only, no clock published",
    source: "github.com/chris-ch/llama2.clash",
    ..NOTHING
}];

pub const STORIES_15M: &[Published] = &[Published {
    design: "an HLS design",
    machine: "ZCU106",
    tokens_per_second: Some(8.71),
    remark: "weights in DRAM",
    source: "published figure collected by this project, ZCU106 HLS",
    ..NOTHING
}];
