"""Reports: tables, pictures and text in one file that asks for nothing else."""
