-- What a stage has seen of each producer whose appends may be stored more than once, as of next_offset: see
-- the engine's stage::repeats. NULL where nothing of that kind was read.
ALTER TABLE granary.cursor ADD COLUMN seen bytea;
