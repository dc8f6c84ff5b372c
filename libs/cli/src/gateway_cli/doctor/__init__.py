"""`gateway doctor`: looks at all that the services need, and says in plain sentences what is wrong and what to do."""
