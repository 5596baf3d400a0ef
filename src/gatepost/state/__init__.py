"""What all workers share: client counts and rates."""
