package main

import (
	"encoding/json"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"migrate/internal/export"
)

func newDescribe() *cobra.Command {
	return command("describe", "Write down what a collection is, without its rows",
		`Prints the schema of a collection and all around it (partitions, indexes, properties) as JSON, as the manifest of an export
has it, without secrets. It says what the rows of a folder of Parquet are: migrate import --parquet URL --schema FILE.`,
		`  migrate describe --source-address standalone:19530 --collection rag_documents > rag_documents.json`,
		slices.Concat(sourceSettings, []setting{collection}),
		runDescribe)
}

func runDescribe(cmd *cobra.Command, c config) error {
	if err := c.requireOne(); err != nil {
		return err
	}
	server, err := connectSource(cmd.Context(), c)
	if err != nil {
		return err
	}
	defer server.Close()
	coll, err := server.Describe(cmd.Context(), c.Collection)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(export.Describe(coll), "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(cmd.OutOrStdout(), string(text)+"\n")
	return err
}
