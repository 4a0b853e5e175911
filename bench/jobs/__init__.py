"""What was asked and what came of it: jobs, budgets, recipes, records. No torch."""
