//! Start and drain: wires everything, decides nothing.
