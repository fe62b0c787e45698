# Reading a repository as text: files, what each declares, and which call reaches what. Nothing of it is executed.
