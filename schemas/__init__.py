"""What the data is: contracts as frozen data, standard library only."""
