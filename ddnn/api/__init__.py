"""What `import ddnn` offers, and what the command line calls. Public by way of `ddnn` itself."""
