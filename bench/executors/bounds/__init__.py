"""What a job may take and what there is: bounds, limits of containers, refusals beforehand."""
