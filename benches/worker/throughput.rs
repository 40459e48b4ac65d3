//! All throughputs, in shuffled rounds, so that other activity on the machine affects all of them
//! alike.

use fastrand::Rng;

use crate::Failure;
use crate::backlog::{self, Plan, Sample};
use crate::options::{Options, Other, Part};
use crate::progress::Progress;
use crate::results::{Backlog, Growth, Stage as StageResult, Table};
use crate::servers::Servers;
use crate::stages::{self, Stage};
use crate::statistics::{median, median_cpu, spread};
use crate::variants::Variant;
use crate::worker_process::Program;
use crate::workload::Mix;

/// Orders in the tables before a run that measures growth.
const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

/// One thing that is measured in each round.
#[derive(Debug)]
struct Case {
    name: String,
    work: Work,
    samples: Vec<Sample>,
}

#[derive(Debug)]
enum Work {
    Stage { stage: Stage, messages: usize },
    Backlog { plan: Plan, shown: Vec<Table>, against: Option<&'static str>, what: &'static str },
    Growth { plan: Plan },
}

/// The results of all rounds.
#[derive(Debug, Default)]
pub struct Throughput {
    pub stages: Vec<StageResult>,
    pub backlogs: Vec<Backlog>,
    pub growth: Vec<Growth>,
}

pub async fn measure(servers: &Servers, options: &Options) -> Result<Throughput, Failure> {
    let mut cases = cases(options);
    let rounds = options.rounds();
    let mut rng = Rng::with_seed(options.seed);
    let mut progress = Progress::of(cases.len() * rounds as usize);
    for _ in 0..rounds {
        let mut order: Vec<usize> = (0..cases.len()).collect();
        rng.shuffle(&mut order);
        for number in order {
            let case = &mut cases[number];
            let sample = case.run(servers, options.seed).await?;
            progress.step(&case.name, &format!("{:.0}/s", sample.rate));
            case.samples.push(sample);
        }
    }
    let mut throughput = Throughput::default();
    for case in cases {
        case.sum_up(&mut throughput);
    }
    Ok(throughput)
}

impl Case {
    async fn run(&self, servers: &Servers, seed: u64) -> Result<Sample, Failure> {
        let sample = match &self.work {
            Work::Stage { stage, messages } => stages::run(servers, *stage, *messages, seed).await,
            Work::Backlog { plan, .. } | Work::Growth { plan } => {
                backlog::run(servers, plan, seed).await
            }
        };
        sample.map_err(|failure| format!("{}: {failure}", self.name).into())
    }

    fn sum_up(self, throughput: &mut Throughput) {
        let Self { name, work, samples } = self;
        let rate = spread(samples.iter().map(|sample| sample.rate));
        let cpu = median_cpu(samples.iter().map(|sample| sample.cpu));
        let peaks: Option<Vec<f64>> = samples.iter().map(|sample| sample.peak_memory).collect();
        match work {
            Work::Stage { stage, messages } => throughput.stages.push(StageResult {
                name,
                what: stage.what().to_owned(),
                limits: stage.limits(),
                messages,
                rate,
                cpu,
            }),
            Work::Backlog { plan, shown, against, what } => throughput.backlogs.push(Backlog {
                name,
                what: what.to_owned(),
                shown,
                against: against.map(str::to_owned),
                messages: plan.messages,
                rate,
                cpu,
                peak_memory: peaks.map(median),
            }),
            Work::Growth { plan } => {
                throughput.growth.push(Growth { orders: plan.orders_before, rate, cpu });
            }
        }
    }
}

/// Messages per second of the worker as shipped on PlaceOrder only, from an earlier run or a new one.
pub async fn of_full(
    servers: &Servers,
    options: &Options,
    measured: &[Backlog],
) -> Result<f64, Failure> {
    match measured.iter().find(|backlog| backlog.name == FULL) {
        Some(full) => Ok(full.rate.median),
        None => Ok(backlog::run(servers, &placing(options, options.messages()), options.seed)
            .await?
            .rate),
    }
}

const FULL: &str = "PlaceOrder only";
const SHIPPED: &str = "as shipped";
const PARTS: &str = "the same parts";
const PLAIN: &str = "a plain consumer";

fn cases(options: &Options) -> Vec<Case> {
    let mut cases = Vec::new();
    if options.measures(Part::Stages) {
        cases.extend(stages(options));
    }
    if options.measures(Part::Full) {
        cases.extend(full(options));
    }
    let [vary, scale, compare] =
        [Part::Variants, Part::Scaling, Part::Others].map(|part| options.measures(part));
    if vary || scale || compare {
        cases.extend(in_both_tables(options));
    }
    if compare {
        cases.extend(others(options));
    }
    if vary {
        cases.push(row_by_row(options));
        cases.extend(variants(options));
    }
    if scale {
        cases.extend(more_lanes_and_processes(options));
    }
    if options.measures(Part::Growth) {
        cases.extend(sizes(options));
    }
    cases
}

/// PlaceOrder only, on one worker as shipped.
fn placing(options: &Options, messages: usize) -> Plan {
    Plan {
        program: options.shipped(),
        processes: 1,
        settings: Vec::new(),
        mix: Mix::Placing,
        messages,
        orders_before: 0,
        ahead: 0,
    }
}

/// For runs that are compared with each other: enough messages for a second or more.
fn comparing(options: &Options) -> Plan {
    placing(options, options.messages() * 2 / 5)
}

fn case(
    name: &str,
    shown: &[Table],
    against: Option<&'static str>,
    what: &'static str,
    plan: Plan,
) -> Case {
    let work = Work::Backlog { plan, shown: shown.to_vec(), against, what };
    Case { name: name.to_owned(), work, samples: Vec::new() }
}

fn stages(options: &Options) -> [Case; 4] {
    let messages = options.messages();
    Stage::ALL.map(|stage| Case {
        name: stage.name().to_owned(),
        work: Work::Stage { stage, messages },
        samples: Vec::new(),
    })
}

fn full(options: &Options) -> [Case; 2] {
    let placing = placing(options, options.messages());
    let usual = Plan { mix: Mix::Usual, ..placing.clone() };
    [
        case(FULL, &[Table::Full], None, "orders of 1 to 5 items", placing),
        case(
            "the mix",
            &[Table::Full],
            Some(FULL),
            "70 % PlaceOrder, 20 % SetNextStatus, 5 % SetStatus, 3 % CancelOrder, 1 % duplicates, 1 % malformed",
            usual,
        ),
    ]
}

fn in_both_tables(options: &Options) -> [Case; 2] {
    let tables = [Table::Variants, Table::Scaling];
    let one_lane = Plan { settings: vec![("LANES", "1".to_owned())], ..comparing(options) };
    let what = "2 lanes in 1 process, batches of 500";
    [
        case(SHIPPED, &tables, None, what, comparing(options)),
        case("1 lane", &tables, Some(SHIPPED), "`LANES=1`", one_lane),
    ]
}

/// Few messages: the long backlog would take minutes.
fn row_by_row(options: &Options) -> Case {
    let settings = vec![("BATCH_MAX", "1".to_owned())];
    let plan = Plan { settings, ..placing(options, options.messages() / 12) };
    let what = "`BATCH_MAX=1`: a transaction, a window and an acknowledgement for each message";
    case("batch of 1", &[Table::Variants], Some(SHIPPED), what, plan)
}

/// One transaction per message, 16 messages at once: how a worker is usually written.
fn others(options: &Options) -> Vec<Case> {
    let settings = vec![("BATCH_MAX", "1".to_owned()), ("LANES", "16".to_owned())];
    let messages = options.messages() / 25;
    let own = Plan { settings, ..placing(options, messages) };
    let compared = |name: &str, plan| case(name, &[Table::Others], Some(SHIPPED), "", plan);
    let mut cases = vec![compared("this one without batches", own)];
    for Other { name, program } in &options.other {
        let program = Program::Other(program.clone());
        cases.push(compared(name, Plan { program, ..placing(options, messages) }));
    }
    cases
}

fn variants(options: &Options) -> [Case; 5] {
    let variant = |name, variant, against, what| {
        let plan = Plan { program: Program::Variant(variant), ..comparing(options) };
        case(name, &[Table::Variants], Some(against), what, plan)
    };
    [
        variant(PARTS, Variant::Parts, SHIPPED, "put together by the bench, nothing changed"),
        confirms_one_by_one(options),
        variant(
            "deletes apart",
            Variant::DeletesApart,
            PARTS,
            "confirmed events leave the outbox in a transaction of their own",
        ),
        variant(PLAIN, Variant::PlainSource, PARTS, "without the supervised consumer"),
        variant(
            "single acks",
            Variant::SingleAcks,
            PLAIN,
            "a plain consumer that acknowledges each message for itself",
        ),
    ]
}

/// Few messages, as it is slow.
fn confirms_one_by_one(options: &Options) -> Case {
    let program = Program::Variant(Variant::ConfirmsOneByOne);
    let plan = Plan { program, ..placing(options, options.messages() / 8) };
    let what = "each event waits for the confirm of the one before";
    case("confirms one by one", &[Table::Variants], Some(PARTS), what, plan)
}

fn more_lanes_and_processes(options: &Options) -> [Case; 3] {
    let four_lanes = Plan { settings: vec![("LANES", "4".to_owned())], ..comparing(options) };
    let of_processes = |processes| Plan { processes, ..comparing(options) };
    let scaling = |name, what, plan| case(name, &[Table::Scaling], Some(SHIPPED), what, plan);
    [
        scaling("4 lanes", "`LANES=4`", four_lanes),
        scaling("2 processes", "on one queue", of_processes(2)),
        scaling("3 processes", "on one queue", of_processes(3)),
    ]
}

/// As many orders again are placed before the measurement: after a checkpoint, the first change of each
/// page writes the full page into the write-ahead log.
fn sizes(options: &Options) -> [Case; 3] {
    SIZES.map(|size| {
        let orders_before = if options.quick { size / 20 } else { size };
        let plan = comparing(options);
        let plan = Plan { orders_before, ahead: plan.messages, ..plan };
        Case {
            name: format!("{orders_before} orders before"),
            work: Work::Growth { plan },
            samples: Vec::new(),
        }
    })
}
