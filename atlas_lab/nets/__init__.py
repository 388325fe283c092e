"""Networks beyond the paper's, in plain torch, and what they are trained with."""
