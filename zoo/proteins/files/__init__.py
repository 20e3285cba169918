"""What `zoo.proteins.structure` reads with: formats, residues, chains, reports."""
