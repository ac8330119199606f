-- ARGV  5 the generation that the reader knows (its record is left out)
-- Returns the snapshot.
return snapshot(ARGV[5], '')
