"""The command `gwm`: prepare and start a host, run workflows, make data, train, measure."""
