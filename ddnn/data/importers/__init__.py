"""Other people's layouts of files, turned into a card and an archive that it reads."""
