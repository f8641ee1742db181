"""The pages of datasets: views, and what they show."""
