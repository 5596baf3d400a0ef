"""The better learner beside Bayes: one online logistic regression over what a message says and how it is made."""
