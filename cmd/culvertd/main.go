package main

const usage = ""

func main() {}
