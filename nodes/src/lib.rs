//! The node kinds: load, score, embed, train, rank, select, write.
