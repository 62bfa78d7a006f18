//! One metric family: its declaration and its children, one for each
//! combination of label values.

use std::collections::HashMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc, Metric};
use prometheus::proto::{MetricFamily, MetricType};
use prometheus::{Counter, Gauge, Histogram, HistogramOpts, IntCounter, IntGauge, Opts};

use super::labelled::Labelled;

/// What is said about a family: all that Prometheus and the reference need.
#[derive(Debug)]
pub(in crate::telemetry) struct Declaration {
    /// The name as Prometheus sees it.
    pub(super) name: &'static str,
    /// What it counts, as the doc comment of its declaration.
    pub(super) help: &'static str,
    /// Counter, gauge or histogram.
    pub(super) kind: MetricType,
    /// The names of the labels, in the order in which values are given.
    pub(super) labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets; empty for the others.
    pub(super) buckets: &'static [f64],
}

impl Declaration {
    /// The help without the blank that doc comments begin with.
    pub(super) fn summary(&self) -> &'static str {
        self.help.trim()
    }
}

/// What a family can be made of.
pub(in crate::telemetry) trait Instrument: Metric + 'static {
    /// The type that Prometheus is told.
    const KIND: MetricType;

    /// Makes one child.
    fn child(declaration: &Declaration, options: Opts) -> prometheus::Result<Self>;
}

macro_rules! instrument {
    ($($instrument:ty => $kind:ident),+) => {$(
        impl Instrument for $instrument {
            const KIND: MetricType = MetricType::$kind;

            fn child(_: &Declaration, options: Opts) -> prometheus::Result<Self> {
                Self::with_opts(options)
            }
        }
    )+};
}

instrument!(Counter => COUNTER, IntCounter => COUNTER, Gauge => GAUGE, IntGauge => GAUGE);

impl Instrument for Histogram {
    const KIND: MetricType = MetricType::HISTOGRAM;

    fn child(declaration: &Declaration, options: Opts) -> prometheus::Result<Self> {
        let options = HistogramOpts::from(options).buckets(declaration.buckets.to_vec());
        Self::with_opts(options)
    }
}

/// A family with `N` labels. Clones share the children.
pub(in crate::telemetry) struct Family<M, const N: usize>(Arc<Inner<M, N>>);

struct Inner<M, const N: usize> {
    declaration: &'static Declaration,
    desc: Desc,
    children: Labelled<M, N>,
    /// Belongs to no label values: stands in where a child cannot be made, so
    /// that counting never fails a request.
    detached: M,
}

impl<M: Instrument, const N: usize> Family<M, N> {
    pub(super) fn new(declaration: &'static Declaration) -> prometheus::Result<Self> {
        let labels = declaration.labels.iter().map(|label| (*label).to_owned());
        let desc = Desc::new(
            declaration.name.to_owned(),
            declaration.summary().to_owned(),
            labels.collect(),
            HashMap::new(),
        )?;
        Ok(Self(Arc::new(Inner {
            declaration,
            desc,
            children: Labelled::new(),
            detached: child(declaration, [""; N])?,
        })))
    }

    /// A collector to register; it shows what this family counts.
    pub(super) fn collector(&self) -> Box<dyn Collector> {
        Box::new(Self(Arc::clone(&self.0)))
    }

    /// Applies `apply` to the child with these label values.
    pub(in crate::telemetry) fn with<R>(
        &self,
        labels: [&str; N],
        apply: impl FnOnce(&M) -> R,
    ) -> R {
        let make = || {
            let made = child(self.0.declaration, labels);
            debug_assert!(made.is_ok(), "{:?}: {labels:?}", self.0.declaration);
            made.unwrap_or_else(|_| self.0.detached.clone())
        };
        self.0.children.with(labels, make, apply)
    }

    /// Applies `apply` to every child and its label values.
    pub(in crate::telemetry) fn each(&self, apply: impl FnMut([&str; N], &M)) {
        self.0.children.each(apply);
    }

    /// Forgets the children with a label of which `is_kept`, given its name and value, says no.
    pub(super) fn retain(&self, is_kept: &dyn Fn(&str, &str) -> bool) {
        let names = self.0.declaration.labels;
        let all = |values: [&str; N]| {
            names
                .iter()
                .zip(values)
                .all(|(name, value)| is_kept(name, value))
        };
        self.0.children.retain(all);
    }

    /// The child with these label values, to keep.
    pub(in crate::telemetry) fn child(&self, labels: [&str; N]) -> M {
        self.with(labels, M::clone)
    }
}

fn child<M: Instrument, const N: usize>(
    declaration: &Declaration,
    values: [&str; N],
) -> prometheus::Result<M> {
    let names = declaration.labels.iter().map(|name| (*name).to_owned());
    let labels = names.zip(values.map(str::to_owned)).collect();
    let options = Opts::new(declaration.name, declaration.summary()).const_labels(labels);
    M::child(declaration, options)
}

impl<M: Instrument, const N: usize> Collector for Family<M, N> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut metrics = Vec::new();
        self.0
            .children
            .each(|_, child| metrics.push(child.metric()));
        let mut family = MetricFamily::default();
        family.set_name(self.0.declaration.name.to_owned());
        family.set_help(self.0.declaration.summary().to_owned());
        family.set_field_type(M::KIND);
        family.set_metric(metrics);
        vec![family]
    }
}
