"""Measurements: one file for each group of them. Every number is told beside what it is measured against.

The rules that all groups keep:

- Both sides run on the same server, with the same durability, by the same number of processes, in the same minutes: rounds
  alternate between them (A B C A B C ...), and a ratio is the median of the ratios of single rounds.
- Opening connections, warming up and making the data are not measured. After data is made comes VACUUM ANALYZE.
- A bar that is missed is printed as missed. No number decides a test, nor the exit status.
"""
