//! Memory and table limits of one instance.

/// Most elements of all tables together.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 1 << 20;

/// What a guest was refused more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Linear memory.
    Memory,
    /// Elements of tables.
    Table,
}

/// Counts what the linear memories of a store hold and refuses more than the limit.
#[derive(Debug)]
pub(crate) struct Limits {
    memory_bytes_max: usize,
    memory_bytes: usize,
    table_elements: usize,
    refused: Option<Refused>,
}

impl Limits {
    pub(crate) fn new(memory_bytes_max: usize) -> Self {
        Self { memory_bytes_max, memory_bytes: 0, table_elements: 0, refused: None }
    }

    pub(crate) fn memory_bytes_max(&self) -> usize {
        self.memory_bytes_max
    }

    /// What the memories hold. It never shrinks: WebAssembly cannot give memory back.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// What was refused last since the last [`Limits::begin_call`].
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    pub(crate) fn begin_call(&mut self) {
        self.refused = None;
    }

    /// Whether a linear memory may grow.
    pub(crate) fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let total = self.memory_bytes - current.min(self.memory_bytes);
        let total = total.saturating_add(desired);
        let fits = total <= self.memory_bytes_max && maximum.is_none_or(|maximum| desired <= maximum);
        if fits {
            self.memory_bytes = total;
        } else {
            self.refused = Some(Refused::Memory);
        }
        fits
    }

    /// Whether a table may grow.
    pub(crate) fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let total = (self.table_elements - current.min(self.table_elements)).saturating_add(desired);
        let fits = total <= TABLE_ELEMENTS_MAX && maximum.is_none_or(|maximum| desired <= maximum);
        if fits {
            self.table_elements = total;
        } else {
            self.refused = Some(Refused::Table);
        }
        fits
    }
}
