// Command clients asks what Grafana's plugin and others ask of clickhouse-go over HTTP, and prints a line
// "what, tab, found" for each question.
//
// Arguments: the door's port, and the compression: none, lz4, zstd, gzip, deflate. The token is
// in ROLLCALL_TOKEN, and in ROLLCALL_WRONG_TOKEN one to be refused, if that is to be asked.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

var methods = map[string]clickhouse.CompressionMethod{
	"none":    clickhouse.CompressionNone,
	"lz4":     clickhouse.CompressionLZ4,
	"zstd":    clickhouse.CompressionZSTD,
	"gzip":    clickhouse.CompressionGZIP,
	"deflate": clickhouse.CompressionDeflate,
}

func options(port, method, token string) *clickhouse.Options {
	return &clickhouse.Options{
		Addr:        []string{"127.0.0.1:" + port},
		Protocol:    clickhouse.HTTP,
		Auth:        clickhouse.Auth{Database: "default", Username: "dashboards", Password: token},
		Compression: &clickhouse.Compression{Method: methods[method]},
		ReadTimeout: 30 * time.Second,
	}
}

func main() {
	port, method := os.Args[1], os.Args[2]
	connection, err := clickhouse.Open(options(port, method, os.Getenv("ROLLCALL_TOKEN")))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx := context.Background()
	tell("ping", func() (any, error) { return "pong", connection.Ping(ctx) })
	tell("server", func() (any, error) {
		server, err := connection.ServerVersion()
		return err == nil && server.Version.Major > 20, err
	})
	tell("tables", func() (any, error) { return tables(ctx, connection) })
	tell("types", func() (any, error) { return types(ctx, connection) })
	tell("row", func() (any, error) {
		var day time.Time
		var name string
		var n uint8
		var none *string
		row := connection.QueryRow(ctx, "-- a comment first\nSELECT toDate('2026-11-18'), 'Zoë', 42, CAST(NULL, 'Nullable(String)')")
		err := row.Scan(&day, &name, &n, &none)
		return fmt.Sprint(day.Format(time.DateOnly), " ", name, " ", n, " ", none), err
	})
	tell("parameters", func() (any, error) {
		var count uint64
		named := clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"site": "acme"}))
		err := connection.QueryRow(named, "SELECT count() FROM activity WHERE site = {site:String}").Scan(&count)
		return count > 0, err
	})
	tell("bound parameters", func() (any, error) {
		var count uint64
		sql := "SELECT count() FROM activity WHERE site = ? AND family IN (?) AND occurred_at > ?"
		err := connection.QueryRow(ctx, sql, "acme", []string{"comment", "it's no family"}, time.Unix(0, 0)).Scan(&count)
		return count > 0, err
	})
	tell("a million rows", func() (any, error) { return million(ctx, connection) })
	tell("an empty answer", func() (any, error) {
		rows, err := connection.Query(ctx, "SELECT site FROM activity WHERE 0")
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		return rows.Next(), rows.Err()
	})
	tell("cancelled context", func() (any, error) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		var count uint64
		err := connection.QueryRow(short, "SELECT count() FROM numbers(1900000000) WHERE sipHash64(toString(number)) = 1").Scan(&count)
		return errors.Is(err, context.DeadlineExceeded), err
	})
	tell("error within an answer", func() (any, error) {
		rows, err := connection.Query(ctx, "SELECT number, intDiv(1, 3000000 - number) FROM numbers(10000000)")
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
		}
		return "no error", rows.Err()
	})
	tell("no such table", func() (any, error) { return "answered", connection.Exec(ctx, "SELECT * FROM nowhere") })
	tell("insert", func() (any, error) {
		return "answered", connection.Exec(ctx, "INSERT INTO activity (site) VALUES ('x')")
	})
	tell("database/sql", func() (any, error) {
		database := clickhouse.OpenDB(options(port, method, os.Getenv("ROLLCALL_TOKEN")))
		defer database.Close()
		return standard(database)
	})
	if wrong := os.Getenv("ROLLCALL_WRONG_TOKEN"); wrong != "" {
		tell("wrong password", func() (any, error) {
			stranger, err := clickhouse.Open(options(port, method, wrong))
			if err != nil {
				return nil, err
			}
			return "let in", stranger.Ping(ctx)
		})
	}
}

func tables(ctx context.Context, connection driver.Conn) (any, error) {
	rows, err := connection.Query(ctx, "SHOW TABLES")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return strings.Join(names, " "), rows.Err()
}

func types(ctx context.Context, connection driver.Conn) (any, error) {
	rows, err := connection.Query(ctx, "SELECT * FROM activity LIMIT 1")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []string
	for _, column := range rows.ColumnTypes() {
		found = append(found, column.Name()+" "+column.DatabaseTypeName())
	}
	return strings.Join(found, ", "), rows.Err()
}

func million(ctx context.Context, connection driver.Conn) (any, error) {
	rows, err := connection.Query(ctx, "SELECT number, toString(number), toLowCardinality(toString(number % 7)) FROM numbers(1000000)")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var sum uint64
	for rows.Next() {
		var number uint64
		var text, low string
		if err := rows.Scan(&number, &text, &low); err != nil {
			return nil, err
		}
		sum += number + uint64(len(text))
	}
	return sum, rows.Err()
}

func standard(database *sql.DB) (any, error) {
	if err := database.Ping(); err != nil {
		return nil, err
	}
	var count int
	err := database.QueryRow("SELECT count() FROM activity WHERE site = ?", "acme").Scan(&count)
	return count > 0, err
}

func tell(what string, question func() (any, error)) {
	found, err := question()
	if err != nil {
		var refused *clickhouse.Exception
		found = "error"
		if errors.As(err, &refused) {
			found = fmt.Sprint("error ", refused.Code)
		} else if _, text, coded := strings.Cut(err.Error(), "Code: "); coded {
			code, _, _ := strings.Cut(text, ".")
			found = "error " + code
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
	}
	fmt.Printf("%s\t%v\n", what, found)
}
