#!/bin/bash
# A sweep as a SLURM job array: every task trains each N-th run on one core. Submit with
#   sbatch docs/slurm_array.sh [arguments of `atlas-lab sweep`]
# The same command again goes on with what is not recorded yet, also after tasks were cancelled or lost.
# ATLAS_LAB_HOME must lie on a disk that all nodes see; where the slices aren't there yet, the first task makes them.
#SBATCH --job-name=atlas-lab
#SBATCH --array=1-8
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=24:00:00
#SBATCH --requeue

export OMP_NUM_THREADS=1
exec "${ATLAS_LAB:-atlas-lab}" sweep "$@" --jobs 1 --only "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
