"""The workers of one pod as a whole: what each knows, asked for at the moment it is wanted."""
