// Command write puts the table of the faults that were tried into a page.
//
//	write PAGE NOTES
package main

import (
	"errors"
	"fmt"
	"os"

	"migrate/internal/labtest/faulttable"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: write PAGE NOTES")
	}
	notes, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer notes.Close()
	rows, err := faulttable.Read(notes)
	if err != nil {
		return err
	}
	page, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	if page, err = faulttable.Insert(page, rows); err != nil {
		return err
	}
	return os.WriteFile(args[0], page, 0o644)
}
