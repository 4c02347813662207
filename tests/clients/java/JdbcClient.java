import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Asks what BI tools ask of ClickHouse's JDBC driver, and prints a line "what, tab, found" for each question.
 *
 * <p>Arguments: the door's port, and properties of the driver as name=value. The token is in ROLLCALL_TOKEN,
 * and in ROLLCALL_WRONG_TOKEN one to be refused, if that is to be asked.
 */
public final class JdbcClient {
    private JdbcClient() {}

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:clickhouse://127.0.0.1:" + arguments[0] + "/default";
        Properties properties = new Properties();
        properties.setProperty("user", "dashboards");
        properties.setProperty("password", System.getenv("ROLLCALL_TOKEN"));
        for (int i = 1; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            properties.setProperty(pair[0], pair[1]);
        }
        try (Connection connection = DriverManager.getConnection(url, properties)) {
            tell("valid", () -> connection.isValid(10));
            catalog(connection.getMetaData());
            answers(connection);
            tell("max rows", () -> maxRows(connection));
            tell("cancel", () -> cancel(connection));
            tell("no such table", () -> run(connection, "SELECT * FROM nowhere"));
            tell("insert", () -> run(connection, "INSERT INTO activity (site) VALUES ('x')"));
        }
        String wrong = System.getenv("ROLLCALL_WRONG_TOKEN");
        if (wrong != null) {
            properties.setProperty("password", wrong);
            tell("wrong password", () -> {
                try (Connection stranger = DriverManager.getConnection(url, properties)) {
                    return run(stranger, "SELECT 1");
                }
            });
        }
    }

    private static void catalog(DatabaseMetaData catalog) {
        String[] tables = {"TABLE"};
        String[] views = {"VIEW"};
        tell("product", catalog::getDatabaseProductName);
        tell("user", catalog::getUserName);
        tell("schemas", () -> column(catalog.getSchemas(), "TABLE_SCHEM").contains("default"));
        tell("tables", () -> column(catalog.getTables(null, "default", "%", tables), "TABLE_NAME"));
        tell("views", () -> column(catalog.getTables(null, "default", "%", views), "TABLE_NAME"));
        tell("columns", () -> column(catalog.getColumns(null, "default", "activity", "%"), "COLUMN_NAME"));
        tell("types", () -> column(catalog.getColumns(null, "default", "activity", "o%"), "TYPE_NAME"));
        tell("keys", () -> column(catalog.getPrimaryKeys(null, "default", "activity"), "COLUMN_NAME"));
        tell("type info", () -> column(catalog.getTypeInfo(), "TYPE_NAME").contains("DateTime64"));
        tell("functions", () -> List.of(catalog.getStringFunctions().split(",")).contains("lower"));
    }

    private static void answers(Connection connection) {
        tell("row", () -> {
            String sql = "/* a comment first */ SELECT toDate('2026-11-18') AS day, 'Zoë' AS name, 42 AS n, NULL AS none";
            try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
                rows.next();
                return rows.getObject("day", LocalDate.class) + " " + rows.getString("name") + " " + rows.getLong("n")
                        + " " + rows.getObject("none") + " of " + rows.getMetaData().getColumnCount();
            }
        });
        tell("parameters", () -> {
            String sql = "SELECT count() FROM activity WHERE site = ? AND occurred_at > ? AND family IN (?, ?)";
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                statement.setString(1, "acme");
                statement.setObject(2, LocalDate.of(2001, 1, 1));
                statement.setString(3, "comment");
                statement.setString(4, "it's no family");
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    return rows.getLong(1) > 0;
                }
            }
        });
        tell("many rows", () -> {
            String sql = "SELECT number, toString(number) FROM numbers(200000)";
            try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
                long sum = 0;
                while (rows.next()) {
                    sum += rows.getLong(1) + rows.getString(2).length();
                }
                return sum;
            }
        });
    }

    /** BI tools look at the first rows of a table so. The server may send a block more. */
    private static boolean maxRows(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.setMaxRows(10);
            int count = 0;
            try (ResultSet rows = statement.executeQuery("SELECT number FROM numbers(10000000)")) {
                while (rows.next()) {
                    count++;
                }
            }
            return 10 <= count && count < 10_000_000;
        }
    }

    private static String cancel(Connection connection) throws Exception {
        String endless = "SELECT count() FROM numbers(1900000000) WHERE sipHash64(toString(number)) = 1";
        try (Statement statement = connection.createStatement()) {
            CompletableFuture<String> ending = CompletableFuture.supplyAsync(() -> {
                try (ResultSet rows = statement.executeQuery(endless)) {
                    return "answered";
                } catch (SQLException cancelled) {
                    return "error " + cancelled.getErrorCode();
                }
            });
            TimeUnit.SECONDS.sleep(1);
            statement.cancel();
            return ending.get(20, TimeUnit.SECONDS);
        }
    }

    private static String run(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
            return "answered";
        }
    }

    private static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> found = new ArrayList<>();
        try (rows) {
            while (rows.next()) {
                found.add(rows.getString(name));
            }
        }
        Collections.sort(found);
        return found;
    }

    private static void tell(String what, Callable<?> question) {
        Object found;
        try {
            found = question.call();
        } catch (SQLException refused) {
            found = "error " + refused.getErrorCode();
            System.err.println(what + ": " + refused.getMessage());
        } catch (Exception broken) {
            found = broken;
        }
        System.out.println(what + "\t" + found);
    }
}
